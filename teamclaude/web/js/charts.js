// Charts as SVG: stacked bars by time, and lines of used shares.  Pure drawing; the same numbers stand in a table.
'use strict';

const Charts = (() => {
  const { svg, make } = Dom;
  const HEIGHT = 200;
  const EDGE = { left: 46, right: 8, top: 8, bottom: 24 };
  const SERIES = 7; // with colours of their own; all others are one
  const MARKS = ['■', '▲', '●', '◆', '▼', '★', '▬', '□'];

  const style = (n) => `s${Math.min(n, SERIES)}`;
  const legend = (list, names) => list.replaceChildren(...names.map((name, n) => make('li', {},
    make(`span.mark.${style(n)}`, { 'aria-hidden': 'true' }, MARKS[Math.min(n, SERIES)]), name)));

  // 1, 2 or 5 times a power of ten, so that at most `most` steps reach the top.
  const niceStep = (top, most) => {
    const rough = top / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= rough);
  };

  const frame = (width, top, format, label) => {
    const root = svg('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'img', 'aria-label': label });
    const y = (value) => EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) * (1 - value / top);
    const step = niceStep(top, 5);
    for (let n = 0; n * step <= top * 1.0001; n += 1) {
      root.append(svg('line.grid', { x1: EDGE.left, x2: width - EDGE.right, y1: y(n * step), y2: y(n * step) }),
        svg('text.tick', { x: EDGE.left - 6, y: y(n * step) + 4, 'text-anchor': 'end' }, format(n * step)));
    }
    return { root, y };
  };

  const dayLabel = (ms) => new Date(ms).toLocaleDateString(undefined, { weekday: 'short', day: 'numeric' });
  const label = (ms, span) => (span <= 36 * 3600e3 ? Format.clock(ms) : span <= 8 * 86400e3 ? dayLabel(ms) : Format.day(ms));

  // Labels below, as many as fit beside each other.
  const timeTicks = (root, times, x, span, width) => {
    const every = Math.max(1, Math.ceil(times.length / Math.max(2, Math.floor((width - EDGE.left) / 72))));
    times.forEach((at, n) => {
      if (n % every) return;
      const left = x(at, n);
      if (left > width - 24) return;
      root.append(svg('text.tick', { x: Math.max(left, EDGE.left + 16), y: HEIGHT - 6, 'text-anchor': 'middle' }, label(at, span)));
    });
  };

  // series: [{name, values: Map(time -> number)}], the largest first.
  const bars = (target, { times, series, format, label: words }) => {
    const width = Math.max(280, Math.round(target.clientWidth || 700));
    const totals = times.map((at) => series.reduce((sum, one) => sum + (one.values.get(at) || 0), 0));
    const top = Math.max(...totals, 0) || 1;
    const { root, y } = frame(width, top, format, words);
    const room = (width - EDGE.left - EDGE.right) / Math.max(1, times.length);
    const thick = Math.max(1, Math.min(48, room * 0.78));
    const x = (at, n) => EDGE.left + room * (n + 0.5);
    times.forEach((at, n) => {
      let base = 0;
      const group = svg('g.bar');
      series.forEach((one, place) => {
        const value = one.values.get(at) || 0;
        if (!value) return;
        group.append(svg(`rect.${style(place)}`, {
          x: x(at, n) - thick / 2, width: thick, y: y(base + value), height: Math.max(0.5, y(base) - y(base + value)),
        }, svg('title', {}, `${label(at, 0)} ${Format.day(at)}, ${one.name}: ${format(value)}`)));
        base += value;
      });
      root.append(group);
    });
    const span = times.length ? times[times.length - 1] - times[0] : 0;
    timeTicks(root, times, x, span, width);
    target.replaceChildren(root);
  };

  // series: [{name, place, points: [[time, share]]}], `place` gives the colour; a fall (a reset) is a vertical line, shares may pass 1.
  const lines = (target, { from, to, series, label: words }) => {
    const width = Math.max(280, Math.round(target.clientWidth || 700));
    const top = Math.max(1, ...series.flatMap((one) => one.points.map(([, share]) => share)));
    const { root, y } = frame(width, top, (share) => `${Math.round(share * 100)} %`, words);
    const x = (at) => EDGE.left + (width - EDGE.left - EDGE.right) * Math.max(0, Math.min(1, (at - from) / Math.max(1, to - from)));
    series.forEach((one) => {
      const { place } = one;
      const path = one.points.map(([at, share], n) => {
        const before = n ? `H${x(at).toFixed(1)}` : '';
        return `${before}${n ? 'V' : `M${x(at).toFixed(1)} `}${y(share).toFixed(1)}`;
      }).join('');
      const last = one.points[one.points.length - 1];
      root.append(svg(`path.line.${style(place)}`, { d: path }, svg('title', {}, one.name)),
        svg(`text.mark.${style(place)}`, { x: Math.min(x(last[0]), width - 14), y: y(last[1]) + 4, 'aria-hidden': 'true' }, MARKS[Math.min(place, SERIES)]));
    });
    const ticks = Array.from({ length: 7 }, (_, n) => from + ((to - from) * n) / 6);
    timeTicks(root, ticks, x, to - from, width);
    target.replaceChildren(root);
  };

  return { bars, lines, legend, SERIES };
})();
