// Numbers, times and words as the page shows them.  What is unknown (null, undefined, NaN) is a dash, never 0.
'use strict';

const Format = (() => {
  const DASH = '—';
  const known = (value) => typeof value === 'number' && Number.isFinite(value);

  const scaled = (value, units, base) => {
    let n = 0;
    let left = Math.abs(value);
    while (left >= base * 0.9995 && n < units.length - 1) {
      left /= base;
      n += 1;
    }
    const digits = n === 0 || left >= 100 ? 0 : left >= 10 ? 1 : 2;
    return `${value < 0 ? '-' : ''}${left.toFixed(digits)}${units[n]}`;
  };

  const tokens = (value) => (known(value) ? scaled(value, ['', 'k', 'M', 'G', 'T'], 1000) : DASH);

  const count = (value) => (known(value) ? String(Math.round(value)) : DASH);

  // `estimated`: a part is by the price of another version of the model.
  const dollars = (value, estimated = false) => {
    if (!known(value)) return DASH;
    const sign = estimated ? '~$' : '$';
    if (value !== 0 && Math.abs(value) < 0.01) return `${sign}${value.toFixed(4)}`;
    return Math.abs(value) >= 10000 ? `${sign}${scaled(value, ['', 'k', 'M'], 1000)}` : `${sign}${value.toFixed(2)}`;
  };

  // Rounded down below the limit: 99.6 % is not full yet.
  const percent = (share) => {
    if (!known(share)) return DASH;
    const value = share * 100;
    return `${share < 1 ? Math.floor(value + 1e-6) : Math.round(value)} %`;
  };

  // Two units at most; seconds only below ten minutes, so that a long countdown does not flicker.
  const duration = (ms) => {
    if (!known(ms)) return DASH;
    const total = Math.max(0, Math.round(ms / 1000));
    const [d, h, m, s] = [Math.floor(total / 86400), Math.floor(total / 3600) % 24, Math.floor(total / 60) % 60, total % 60];
    if (d) return `${d}d ${h}h`;
    if (h) return `${h}h ${String(m).padStart(2, '0')}m`;
    if (m >= 10) return `${m}m`;
    return m ? `${m}m ${String(s).padStart(2, '0')}s` : `${s}s`;
  };

  const seconds = (sec) => {
    if (!known(sec)) return DASH;
    if (sec < 10) return `${sec.toFixed(1)} s`;
    return sec < 120 ? `${Math.round(sec)} s` : duration(sec * 1000);
  };

  const two = (value) => String(value).padStart(2, '0');
  const clock = (ms, precise = false) => {
    if (!known(ms)) return DASH;
    const at = new Date(ms);
    return `${two(at.getHours())}:${two(at.getMinutes())}${precise ? `:${two(at.getSeconds())}` : ''}`;
  };
  const day = (ms) => (known(ms) ? new Date(ms).toLocaleDateString(undefined, { month: 'short', day: 'numeric' }) : DASH);

  // A time near now as a clock time, further away with its day.
  const moment = (ms, now) => {
    if (!known(ms)) return DASH;
    const far = new Date(ms).toDateString() !== new Date(now).toDateString();
    if (!far) return clock(ms);
    const weekday = new Date(ms).toLocaleDateString(undefined, { weekday: 'short' });
    return Math.abs(ms - now) < 6.5 * 86400e3 ? `${weekday} ${clock(ms)}` : `${day(ms)} ${clock(ms)}`;
  };

  const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
  // Control and direction characters could reorder or hide what stands beside them; what is too long ends.
  const LONGEST = 400;
  const cut = (words) => (words.length <= LONGEST ? words : `${[...words.slice(0, 2 * LONGEST)].slice(0, LONGEST).join('')}…`);
  const clean = (text) => cut(String(text ?? '').replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, ' ').trim());
  const text = (value) => clean(value) || DASH;
  const model = (value) => clean(value).replace(/^claude-/, '') || DASH;

  return { DASH, known, tokens, count, dollars, percent, duration, seconds, clock, day, moment, plural, clean, text, model };
})();
