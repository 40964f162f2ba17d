// The accounts: how full each window is, when it resets, what is expected of it, and whom the account serves.
'use strict';

const Accounts = (() => {
  const { make, write, title, show, set, timed, keyed, get } = Dom;
  const AXES = { '5h': '5-hour window', '7d': '7-day window' };
  const STATES = {
    active: ['●', 'active', 'good'],
    benched: ['◐', 'benched', 'warn'],
    auth_failed: ['✖', 'login needed', 'bad'],
    disabled: ['○', 'disabled', 'off'],
  };
  const NAMES_SHOWN = 3;

  const level = (share) => (!Format.known(share) ? 'unknown' : share >= 0.9 ? 'bad' : share >= 0.7 ? 'warn' : 'good');
  const axisName = (axis) => AXES[axis] || `window ${Format.clean(axis).replace(/^7d_/, '7 days, ')}`;
  const axisLabel = (axis) => Format.clean(axis).replace(/^7d_/, '7d ');

  const axesOf = (account) => {
    const quota = account.quota || {};
    const known = { ...(quota.axes || {}), ...(account.type === 'apikey' ? quota.apiKeyLimits || {} : {}) };
    if (account.type !== 'apikey') {
      for (const axis of Object.keys(AXES)) if (!known[axis]) known[axis] = {};
    }
    const rank = (axis) => ({ '5h': 0, '7d': 1 })[axis] ?? 2;
    return Object.entries(known).sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  };

  // A range in words: when it is used up, or that it is not.
  const range = (from, to, now) => {
    if (to - from < 20 * 3600e3) return `${Format.moment(from, now)} – ${Format.clock(to)}`;
    const days = [from, to].map((ms) => Format.moment(ms, now).replace(/ ?\d+:\d+$/, '') || 'today');
    return days.join(' – ');
  };
  const outlook = (forecast, now) => {
    if (!forecast) return ['', ''];
    const { p10, p50, p90, until, chance } = forecast;
    const at = (ms) => Format.moment(ms, now);
    if (!Format.known(p10)) return ['lasts', `Lasts until ${at(until)} in at least 9 of 10 cases.`];
    const likely = Format.known(chance) ? `Used up before ${at(until)} with a chance of ${Format.percent(chance)}. ` : '';
    const half = Format.known(p50) ? `Half of the cases: by ${at(p50)}.` : '';
    if (Format.known(p90)) return [`full ${range(p10, p90, now)}`, `${likely}8 of 10 cases: ${at(p10)} to ${at(p90)}. ${half}`];
    return [Format.known(chance) ? `${Format.percent(chance)} runs full` : `full from ${at(p10)}`, `${likely}At the earliest (1 of 10 cases): ${at(p10)}. ${half}`];
  };

  const percentOf = (share) => `${Math.max(0, Math.min(1, share)) * 100}%`;

  const makeAxis = () => {
    const meter = make('div.meter', { role: 'meter', 'aria-valuemin': 0, 'aria-valuemax': 100 },
      make('span.fill'), make('span.band'), make('span.middle'));
    return make('div.axis', {}, make('span.axis-name'), meter, make('span.share'), make('span.reset'), make('span.outlook'));
  };

  const drawAxis = (element, account, axis, window, now) => {
    const [name, meter, share, reset, expected] = element.children;
    const [fill, band, middle] = meter.children;
    const used = window.utilization;
    const forecast = (account.forecast || {})[axis];
    const last = forecast && Array.isArray(forecast.band) ? forecast.band[forecast.band.length - 1] : null;
    write(title(name, axisName(axis)), axisLabel(axis));
    write(share, Format.percent(used));
    set(element, { 'data-level': window.status === 'rejected' ? 'bad' : level(used) });
    if (Format.known(window.resetsAt)) timed(reset, 'until', window.resetsAt, 'resets in ');
    else write(set(reset, { 'data-mode': null }), '');
    fill.style.width = Format.known(used) ? percentOf(used) : '0';
    show(band, Boolean(last));
    show(middle, Boolean(last));
    if (last) {
      band.style.left = percentOf(last.p10);
      band.style.width = percentOf(Math.min(1, last.p90) - Math.min(1, last.p10));
      middle.style.left = percentOf(last.p50);
    }
    const [words, more] = outlook(forecast, now);
    write(title(expected, more), words);
    const parts = [`${Format.percent(used)} used`];
    if (Format.known(window.resetsAt)) parts.push(`resets ${Format.moment(window.resetsAt, now)}`);
    if (more) parts.push(more);
    set(meter, {
      'aria-label': `${axisName(axis)} of ${Format.clean(account.name)}`,
      'aria-valuenow': Format.known(used) ? Math.min(100, Math.floor(used * 100)) : null,
      'aria-valuetext': Format.known(used) ? parts.join(', ') : 'not known yet',
    });
  };

  const busy = (node) => !['idle', 'done', ''].includes(node.state || '');

  const servedBy = () => {
    const served = new Map();
    for (const node of Model.rows('nodes').values()) {
      if (!node.account) continue;
      if (!served.has(node.account)) served.set(node.account, []);
      served.get(node.account).push(node);
    }
    return served;
  };

  const serves = (nodes, account) => {
    const atWork = nodes.filter(busy).sort((a, b) => (b.burn ?? 0) - (a.burn ?? 0));
    const names = atWork.slice(0, NAMES_SHOWN).map((node) => Format.clean(node.label) || node.session);
    const more = atWork.length - names.length;
    const idle = nodes.length - atWork.length;
    const words = atWork.length ? `serves ${names.join(', ')}${more > 0 ? ` + ${more} more` : ''}` : 'serves nobody now';
    const rest = [];
    if (account.inflight) rest.push(`${account.inflight} in flight`);
    if (idle) rest.push(`${idle} idle`);
    return [words, ...rest].join(' · ');
  };

  const stateOf = (account) => {
    const [sign, word, style] = STATES[account.status] || ['?', Format.text(account.status), 'off'];
    if (account.status === 'active' && account.usable === false) return ['◐', 'active, but closed', 'warn'];
    if (account.status === 'active' && account.live === false) return ['◑', 'keeps its own', 'warn'];
    return [sign, word, style];
  };

  const makeCard = () => make('li.account', {},
    make('div.line', {}, make('h4'), make('span.chip'), make('span.back'), make('span.mark')),
    make('div.axes'), make('p.serves'), make('div.controls'));

  const draw = (card, key, served, now) => {
    const account = Model.row('accounts', key);
    const [line, axes, who, controls] = card.children;
    const [name, chip, back, mark] = line.children;
    const [sign, word, style] = stateOf(account);
    const label = Format.clean(account.name ?? key) || key;
    write(title(name, `${label}: ${account.type === 'apikey' ? 'API key' : 'subscription'}`), label);
    write(title(chip, Format.clean(account.statusReason)), `${sign} ${word}`);
    set(chip, { 'data-level': style });
    const until = account.status === 'benched' ? account.rateLimitedUntil : null;
    show(back, Format.known(until));
    if (Format.known(until)) timed(back, 'until', until, 'back in ');
    const marks = [];
    if (isPinned(account.name)) marks.push('pinned');
    const elsewhere = account.usedElsewherePerHour;
    if (Format.known(elsewhere)) marks.push(`used elsewhere: ${Math.round(100 * elsewhere)} %/h`);
    const probe = Format.clean(account.quotaProbe?.problem);
    if (probe) marks.push(`probe: ${probe}`);
    if (account.lastResort) marks.push('paid, last resort');
    write(mark, marks.join(' · '));
    const rows = new Map(axesOf(account));
    keyed(axes, [...rows.keys()], makeAxis, (element, axis) => drawAxis(element, account, axis, rows.get(axis) || {}, now));
    write(who, serves(served.get(account.name) || [], account));
    Controls.drawAccount(controls, account, label);
  };

  const pins = () => {
    const held = Model.about().pins;
    return Array.isArray(held) ? held.filter((pin) => pin && typeof pin === 'object') : [];
  };
  const isPinned = (name) => pins().some((pin) => !pin.session && pin.account === name);

  const sorted = () => [...Model.rows('accounts')]
    .sort(([a, x], [b, y]) => (x.order ?? 1e9) - (y.order ?? 1e9) || (a < b ? -1 : 1)).map(([key]) => key);

  const render = () => {
    const list = get('accounts');
    const now = Model.now();
    const served = servedBy();
    keyed(list, sorted(), makeCard, (card, key) => draw(card, key, served, now), Dom.isInUse(list));
    const banded = [...Model.rows('accounts').values()].some((row) => Object.keys(row.forecast || {}).length);
    show(get('meter-legend'), banded);
  };

  return { render, outlook, sorted, pins, axisName, axisLabel };
})();
