// Requests, newest first: those in flight, then the finished ones; each opens to the decision behind it.
//
// While a person points at the table or works in it, rows are brought up to date and none is put in between.
'use strict';

const Activity = (() => {
  const { make, write, show, set, keyed, get, title, timed } = Dom;
  const FIRST = 25;
  const MORE = 100;
  const DETAIL = '\u0000detail';
  const open = new Set();
  let present = [];
  let most = FIRST;

  const all = () => new Map([...Model.rows('activity'), ...Model.rows('inflight')]);
  const rowOf = (id) => Model.row('inflight', id) || Model.row('activity', id);

  const tokensOf = (row) => {
    const kinds = [row.inputTokens, row.outputTokens, row.cacheReadTokens, row.cacheWriteTokens].filter(Format.known);
    return kinds.length ? kinds.reduce((a, b) => a + b, 0) : null;
  };

  const outcomeOf = (row) => {
    const { waiting, status, outcome } = row;
    if (waiting && !waiting.over) {
      const held = waiting.kind === 'held';
      return [held ? '‖ held' : '⧗ waits', held ? 'bad' : 'warn', [waiting.reason, waiting.detail].filter(Boolean).join(': ')];
    }
    if (!outcome) return ['~ in flight', 'good', ''];
    if (outcome === 'served' && status < 400) return [`✓ ${status ?? ''} served`.replace('  ', ' '), 'good', row.reason];
    const words = `${Format.known(status) ? `${status} ` : ''}${Format.text(outcome)}`;
    return [`${status === 429 || !Format.known(status) ? '▲' : '✖'} ${words}`, status === 429 || !Format.known(status) ? 'warn' : 'bad', row.reason];
  };

  const nameOf = (row) => {
    const node = Model.row('nodes', Agents.keyOf(row)) || Model.row('nodes', row.session);
    return (node && Format.clean(node.label)) || Format.clean(row.session).slice(0, 8) || Format.clean(row.path) || Format.DASH;
  };

  const makeRow = (id) => {
    const button = make('button.open', { type: 'button', 'aria-expanded': 'false' }, make('span.label'));
    button.addEventListener('click', () => {
      if (!open.delete(id)) open.add(id);
      render();
    });
    const cell = (tag) => make(`td.${tag}`);
    return make('tr', {}, cell('c-time'), make('th.c-name', { scope: 'row' }, button), cell('c-state'), cell('c-account.w2'),
      cell('c-model.w3'), cell('num.w3'), cell('num.w2'), cell('num.w2'), cell('num.w3'));
  };

  const drawRow = (element, id) => {
    const row = rowOf(id);
    const [came, name, outcome, account, model, ttfb, took, tokens, cost] = element.children;
    const running = !row.outcome;
    write(title(came, Format.known(row.at) ? new Date(row.at).toLocaleString() : ''), Format.clock(row.at, true));
    write(name.firstChild.firstChild, nameOf(row));
    set(name.firstChild, { 'aria-expanded': String(open.has(id)) });
    const [words, style, why] = outcomeOf(row);
    write(title(outcome, Format.clean(why)), words);
    set(outcome, { 'data-level': style });
    const accounts = (Array.isArray(row.accounts) ? row.accounts : []).map(Format.clean);
    write(title(account, accounts.join(' → ')), accounts.length > 1 ? `→ ${accounts[accounts.length - 1]}` : accounts[0] || Format.DASH);
    write(title(model, Format.clean(row.model)), Format.model(row.model));
    write(ttfb, Format.seconds(row.ttfbSec));
    if (running) timed(took, 'since', row.at);
    else {
      set(took, { 'data-mode': null });
      write(took, Format.seconds(row.durationSec));
    }
    write(tokens, Format.tokens(tokensOf(row)));
    write(cost, Format.dollars(row.cost, row.costEstimated));
  };

  const makeDetail = (id) => {
    const answer = make('div.decision', { 'aria-live': 'polite' });
    const detail = make('tr.detail', {}, make('td', { colspan: 9 }, make('dl.pairs'), answer));
    explainInto(answer, `/teamclaude/explain/${encodeURIComponent(id)}`);
    return detail;
  };

  const drawDetail = (element, id) => {
    const row = rowOf(id);
    const list = element.firstChild.firstChild;
    const values = {
      Request: Format.clean(id), Path: Format.clean(`${row.method} ${row.path}`), Session: Format.clean(row.session),
      'Sub-agent': Format.clean(row.agent), Client: Format.clean(row.client), From: Format.clean(row.clientIp),
      Model: Format.clean(row.model), Effort: Format.clean(row.effort), Input: Format.tokens(row.inputTokens), Output: Format.tokens(row.outputTokens),
      'Cache read': Format.tokens(row.cacheReadTokens), 'Cache written': Format.tokens(row.cacheWriteTokens),
      Cost: Format.dollars(row.cost, row.costEstimated),
      Waited: Format.known(row.waitedSec) ? `${Format.seconds(row.waitedSec)} ${Format.clean(row.waitReason)}` : '',
      Why: Format.clean(row.reason),
    };
    const wanted = JSON.stringify(values);
    if (list.drawn === wanted) return;
    // A request that ended meanwhile has a longer record.
    if (list.drawn) explainInto(element.firstChild.lastChild, `/teamclaude/explain/${encodeURIComponent(id)}`);
    list.drawn = wanted;
    Agents.pairs(list, values);
  };

  const explainInto = async (element, path) => {
    try {
      const record = await Model.get(path);
      element.replaceChildren(...explanation(record));
    } catch (error) {
      element.replaceChildren(make('p.none', {}, error.message));
    }
  };

  const because = (decision) => [decision.reason, decision.detail].map(Format.clean).filter(Boolean).join(': ');
  const listOf = (value) => (Array.isArray(value) ? value.filter((entry) => entry && typeof entry === 'object') : []);

  const excluded = (decision) => {
    const rows = listOf(decision.excluded);
    if (!rows.length) return null;
    return make('ul.excluded', {}, ...rows.map((row) => make('li', {}, 'not ', make('strong', {}, Format.text(row.account)), `: ${because({ reason: row.rule, detail: row.detail })}`)));
  };

  const explanation = (record) => {
    const steps = listOf(record.attempts).map((attempt) => {
      const decision = attempt.decision || {};
      const answer = Format.known(attempt.status) ? `answered ${attempt.status}` : 'no answer yet';
      const note = Format.clean(attempt.note);
      return make('li', {}, make('strong', {}, Format.text(attempt.account)), ` because ${because(decision) || 'not known'} · ${answer}${note ? ` (${note})` : ''}`, excluded(decision));
    });
    const waits = listOf(record.waits).map((wait) => {
      const words = [wait.reason, wait.detail].map(Format.clean).filter(Boolean).join(': ');
      const expected = wait.account ? `; expected: ${Format.clean(wait.account)}` : '';
      return make('li', {}, `${wait.over ? 'waited' : 'waits'} ${Format.seconds(wait.sec)}: ${words}${expected}`, excluded(wait.decision || {}));
    });
    const parts = [];
    if (steps.length) parts.push(make('h3', {}, 'Accounts tried, in order'), make('ol', {}, ...steps));
    if (waits.length) parts.push(make('h3', {}, 'Waits'), make('ul', {}, ...waits));
    if (record.note) parts.push(make('p', {}, Format.clean(record.note)));
    return parts.length ? parts : [make('p.none', {}, 'No account was asked for this request.')];
  };

  const render = () => {
    const rows = all();
    const fitting = [...rows].filter(([, row]) => Filters.takesRequest(row, nameOf))
      .sort(([a, x], [b, y]) => (y.at ?? 0) - (x.at ?? 0) || (a < b ? 1 : -1)).map(([id]) => id);
    const body = get('activity-rows');
    let ids = fitting.slice(0, most);
    let fresh = 0;
    if (present.length && (get('activity-pause').checked || Dom.isInUse(body))) {
      const known = new Set(present);
      fresh = ids.filter((id) => !known.has(id)).length;
      ids = present.filter((id) => rows.has(id)).concat(present.length < most ? ids.slice(present.length + fresh) : []);
    }
    present = ids;
    for (const id of open) if (!rows.has(id)) open.delete(id);
    const keys = ids.flatMap((id) => (open.has(id) ? [id, id + DETAIL] : [id]));
    keyed(body, keys, (key) => (key.endsWith(DETAIL) ? makeDetail(key.slice(0, -DETAIL.length)) : makeRow(key)), (row, key) => {
      if (key.endsWith(DETAIL)) drawDetail(row, key.slice(0, -DETAIL.length));
      else drawRow(row, key);
    });
    const parts = [`${Model.rows('inflight').size} in flight`, `${Format.plural(fitting.length, 'request')} remembered`];
    if (fresh) parts.push(`${fresh} new, shown when you leave the table`);
    write(get('activity-sum'), parts.join(' · '));
    show(get('activity-more'), fitting.length > ids.length);
    show(get('activity-none'), !ids.length);
    write(get('activity-none'), rows.size ? 'No request fits the filter.' : 'No request yet.');
  };

  // A filter chosen by the person always shows at once.
  const reset = () => {
    present = [];
  };

  const start = () => get('activity-more').addEventListener('click', () => {
    most += MORE;
    render();
  });

  return { start, render, reset, explainInto };
})();
