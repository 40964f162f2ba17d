// What was used, by hour, day, week or month, and how full the windows were: charts with tables, and CSV.
'use strict';

const HistoryView = (() => {
  const { get, write, show, set, options, toTable } = Dom;
  const MEASURES = {
    burn: ['Burn (tokens that count against a window)', (row) => sum(row.inputTokens, row.outputTokens, row.cacheWriteTokens), Format.tokens],
    cost: ['Cost at list prices', (row) => row.cost, Format.dollars],
    tokens: ['All tokens, cache reads too', (row) => row.tokens, Format.tokens],
    requests: ['Requests', (row) => row.requests, Format.tokens],
    '5h': ['5-hour windows used', (row) => row.windows?.['5h']?.used, Format.percent],
    '7d': ['7-day windows used', (row) => row.windows?.['7d']?.used, Format.percent],
  };
  const BY = { account: 'account', model: 'model', project: 'project', issue: 'issue', client: 'client key' };
  const STEPS = ['hour', 'day', 'week', 'month'];
  const UNKNOWN = 'not known';
  const RELOAD_MS = 120000;
  const EMPTY_RELOAD_MS = 15000; // the first requests are looked for soon
  let wanted = 0;
  let timer = 0;
  let shown = null;
  let loadedAt = 0;

  const sum = (...values) => (values.some(Format.known) ? values.filter(Format.known).reduce((a, b) => a + b, 0) : null);

  const fittingStep = () => {
    const range = Filters.range();
    return range <= 2 * 86400e3 ? 'hour' : range <= 60 * 86400e3 ? 'day' : range <= 200 * 86400e3 ? 'week' : 'month';
  };
  const step = () => get('h-step').value || fittingStep();

  // Of the filters only those that are set; the server knows them by the same names.
  const query = (extra) => {
    const fields = new URLSearchParams({ by: `${step()},${get('h-by').value}`, since: String(Math.round(Filters.since())), limit: '10000' });
    for (const [name, value] of Object.entries(Filters.chosen())) if (value) fields.set(name, value);
    for (const [name, value] of Object.entries(extra || {})) fields.set(name, value);
    return `/teamclaude/usage?${fields}`;
  };
  // One answer has at most 35 days of readings.
  const quotaSince = () => Math.max(Filters.since(), Model.now() - 34.9 * 86400e3);
  const quotaPath = () => `/teamclaude/history/quota?since=${Math.round(quotaSince())}`;

  const load = async () => {
    clearTimeout(timer);
    if (Model.link.state === 'signed out') return;
    wanted += 1;
    loadedAt = Date.now();
    const mine = wanted;
    set(get('h-csv'), { href: query({ format: 'csv' }) });
    set(get('h-quota'), { href: quotaPath() });
    const [usage, quota] = await Promise.all([query(), quotaPath()].map((path) => Model.get(path).catch((error) => error)));
    if (mine !== wanted) return; // another choice was made meanwhile
    shown = { usage, quota };
    draw();
  };
  // A choice of several filters in a row asks once.
  const loadSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(load, 400);
  };

  const rowsOf = (answer, name) => (answer && Array.isArray(answer[name]) ? answer[name].filter((row) => row && typeof row === 'object') : []);

  const draw = () => {
    if (!shown) return;
    const problem = [shown.usage, shown.quota].find((answer) => answer instanceof Error);
    write(get('history-error'), problem ? problem.message : '');
    drawUsage(rowsOf(shown.usage, 'rows'), shown.usage && shown.usage.total);
    drawQuota(rowsOf(shown.quota, 'series'));
  };

  // The largest series first; those beyond the colours together.
  const seriesOf = (rows, by, value) => {
    const sums = new Map();
    for (const row of rows) {
      const name = Format.clean(row[by]) || UNKNOWN;
      const number = value(row);
      if (!Format.known(number) || !Format.known(row.begin)) continue;
      if (!sums.has(name)) sums.set(name, new Map());
      const values = sums.get(name);
      values.set(row.begin, (values.get(row.begin) || 0) + number);
    }
    const total = (values) => [...values.values()].reduce((a, b) => a + b, 0);
    const all = [...sums].map(([name, values]) => ({ name, values, total: total(values) })).sort((a, b) => b.total - a.total);
    if (all.length <= Charts.SERIES) return all;
    const rest = all.splice(Charts.SERIES);
    const values = new Map();
    for (const one of rest) for (const [at, number] of one.values) values.set(at, (values.get(at) || 0) + number);
    return [...all, { name: `${rest.length} others`, values, total: total(values) }];
  };

  const NEXT = {
    hour: (at) => at.setHours(at.getHours() + 1), day: (at) => at.setDate(at.getDate() + 1),
    week: (at) => at.setDate(at.getDate() + 7), month: (at) => at.setMonth(at.getMonth() + 1),
  };
  // Every step between the first and the last: a gap in which nothing was used is a gap.
  const timesOf = (rows) => {
    const known = [...new Set(rows.map((row) => row.begin).filter(Format.known))].sort((a, b) => a - b);
    if (known.length < 2) return known;
    const all = new Set(known);
    for (const at = new Date(known[0]); at < known[known.length - 1] && all.size < 800; NEXT[step()](at)) all.add(at.getTime());
    return [...all].sort((a, b) => a - b);
  };

  const stepName = (ms) => {
    const at = new Date(ms);
    const day = at.toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
    return step() === 'hour' ? `${day} ${Format.clock(ms)}` : step() === 'month' ? at.toLocaleDateString(undefined, { year: 'numeric', month: 'long' }) : day;
  };

  const drawUsage = (rows, total) => {
    const [words, value, format] = MEASURES[get('h-measure').value];
    const series = seriesOf(rows, get('h-by').value, value);
    const times = timesOf(rows);
    show(get('usage-figure'), series.length > 0);
    const parts = total ? [`${Format.tokens(total.requests)} requests`, `${Format.tokens(total.tokens)} tokens`, Format.dollars(total.cost, total.costEstimated)] : [];
    write(get('history-sum'), parts.join(' · '));
    if (!series.length) {
      if (!get('history-error').textContent) write(get('history-error'), 'Nothing is remembered of this time.');
      return;
    }
    const caption = `${words} by ${BY[get('h-by').value]}, each ${step()}`;
    write(get('usage-caption'), caption);
    Charts.legend(get('usage-legend'), series.map((one) => `${one.name} ${format(one.total)}`));
    Charts.bars(get('usage-chart'), { times, series, format, label: `${caption}. The table below has the numbers.` });
    toTable(get('usage-table'), caption, ['From', ...series.map((one) => one.name), 'all'], times.map((at) => {
      const values = series.map((one) => one.values.get(at) ?? null);
      return [stepName(at), ...values.map((each) => format(each)), format(sum(...values))];
    }));
  };

  // By window, then by account: readings as [time, share], the oldest first.
  const linesOf = (series) => {
    const { account } = Filters.chosen();
    const axes = new Map();
    for (const one of series) {
      const [name, axis] = [Format.clean(one.account), Format.clean(one.axis)];
      const points = (Array.isArray(one.points) ? one.points : []).filter((point) => Array.isArray(point) && point.slice(0, 2).every(Format.known));
      if (!points.length || (account && name !== account)) continue;
      if (!axes.has(axis)) axes.set(axis, new Map());
      axes.get(axis).set(name, points);
    }
    return new Map([...axes].sort(([x], [y]) => (x.length - y.length) || (x < y ? -1 : 1)));
  };

  const drawQuota = (answer) => {
    const axes = linesOf(answer);
    const from = quotaSince();
    const names = [...new Set([...axes.values()].flatMap((lines) => [...lines.keys()]))].sort();
    show(get('quota-figure'), axes.size > 0);
    if (!axes.size) return;
    const short = from > Filters.since() + 60000;
    const caption = `Used share of the windows${short ? ' in the last 35 days' : ''}`;
    write(get('quota-caption'), caption);
    Charts.legend(get('quota-legend'), names);
    const figures = new Map();
    Dom.keyed(get('quota-charts'), [...axes.keys()], () => Dom.make('div', {}, Dom.make('p.sum'), Dom.make('div.chart')), (element, axis) => {
      write(element.firstChild, Accounts.axisName(axis));
      figures.set(axis, element.lastChild);
    });
    // Only with all in place does each have its width.
    figures.forEach((element, axis) => {
      const title = Accounts.axisName(axis);
      const series = [...axes.get(axis)].map(([name, points]) => ({ name, points, place: names.indexOf(name) }));
      Charts.lines(element, { from, to: Model.now(), series, label: `${title}. The table below has the numbers.` });
    });
    const rows = [...axes].flatMap(([axis, lines]) => [...lines].map(([name, points]) => {
      const shares = points.map(([, share]) => share);
      return [`${name} ${Accounts.axisLabel(axis)}`, String(shares.length), Format.percent(Math.min(...shares)),
        Format.percent(Math.max(...shares)), Format.percent(shares[shares.length - 1])];
    }));
    toTable(get('quota-table'), caption, ['Window', 'readings', 'lowest', 'highest', 'last'], rows);
  };

  const start = () => {
    options(get('h-measure'), Object.entries(MEASURES).map(([name, [words]]) => [name, words]));
    options(get('h-by'), Object.entries(BY));
    options(get('h-step'), STEPS.map((name) => [name, name]), 'fitting step');
    const form = get('history-form');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      load();
    });
    get('h-measure').addEventListener('change', draw);
    for (const id of ['h-by', 'h-step']) get(id).addEventListener('change', load);
    let width = 0;
    new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 2) return;
      width = entry.contentRect.width;
      requestAnimationFrame(draw);
    }).observe(get('history'));
  };

  // For a page that stays open: called once a second while somebody looks.  A chart in use stays.
  const keepFresh = () => {
    const period = get('usage-figure').hidden ? EMPTY_RELOAD_MS : RELOAD_MS;
    if (shown && Date.now() - loadedAt > period && !Dom.isInUse(get('history'))) load();
  };

  return { start, load, loadSoon, keepFresh };
})();
