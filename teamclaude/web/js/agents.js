// The tree of agents: sessions, those that work for others below them, sub-agents below those.
//
// The order is by burn of the whole branch.  It is kept while a person points at the table or works in it.
'use strict';

const Agents = (() => {
  const { make, write, show, set, timed, keyed, get, title } = Dom;
  const STATES = {
    held: ['‖', 'held', 'bad'],
    waiting: ['⧗', 'waits', 'warn'],
    inference: ['~', 'answering', 'good'],
    tool: ['⚙', 'tool', 'good'],
    live: ['●', 'live', 'good'],
    idle: ['○', 'idle', 'off'],
  };
  const DETAIL = '\u0000detail';
  const open = new Set();
  const explained = new Map();
  let ranks = new Map();

  const keyOf = (row) => (row.agent ? `${row.session}/${row.agent}` : row.session);
  const isBusy = (node) => !['idle', 'done', '', undefined].includes(node.state);

  // Children by parent key; a parent that is not shown makes a root.
  const branches = (nodes) => {
    const children = new Map([[null, []]]);
    for (const [key, node] of nodes) {
      const parent = node.parent && node.parent !== key && nodes.has(node.parent) ? node.parent : null;
      if (!children.has(parent)) children.set(parent, []);
      children.get(parent).push(key);
    }
    return children;
  };

  // Depth first, with a guard against circles: what stands in one becomes a root.
  const walk = (nodes, children, compare) => {
    const lines = [];
    const seen = new Set();
    const visit = (key, depth) => {
      if (seen.has(key)) return;
      seen.add(key);
      lines.push({ key, depth });
      for (const child of [...(children.get(key) || [])].sort(compare)) visit(child, depth + 1);
    };
    for (const key of [...children.get(null)].sort(compare)) visit(key, 0);
    for (const key of nodes.keys()) visit(key, 0);
    return lines;
  };

  const sums = (nodes, children) => {
    const total = new Map();
    const add = (key, path) => {
      if (total.has(key)) return total.get(key);
      if (path.has(key)) return 0;
      path.add(key);
      let sum = nodes.get(key).burn ?? 0;
      for (const child of children.get(key) || []) sum += add(child, path);
      path.delete(key);
      total.set(key, sum);
      return sum;
    };
    for (const key of nodes.keys()) add(key, new Set());
    return total;
  };

  const sortedLines = (nodes, hold) => {
    const children = branches(nodes);
    const burn = sums(nodes, children);
    const heavier = (a, b) => burn.get(b) - burn.get(a)
      || (nodes.get(b).tokens ?? -1) - (nodes.get(a).tokens ?? -1) || (a < b ? -1 : 1);
    const asBefore = (a, b) => (ranks.get(a) ?? 1e9) - (ranks.get(b) ?? 1e9) || heavier(a, b);
    const lines = walk(nodes, children, hold ? asBefore : heavier);
    ranks = new Map(lines.map((line, place) => [line.key, place]));
    return { lines, children };
  };

  // Sub-agents that are done with, when their parent row can say how many.
  const foldIdle = (lines, nodes, children) => {
    const folded = new Map();
    const quiet = (key) => {
      const node = nodes.get(key);
      return Boolean(node.agent) && !isBusy(node) && !node.needsYou && !open.has(key)
        && (children.get(key) || []).every(quiet);
    };
    const hidden = new Set();
    for (const { key } of lines) {
      const { parent } = nodes.get(key);
      if (!nodes.has(parent)) continue;
      if (hidden.has(parent)) hidden.add(key);
      else if (quiet(key)) {
        hidden.add(key);
        folded.set(parent, (folded.get(parent) || 0) + 1);
      }
    }
    return { shown: lines.filter(({ key }) => !hidden.has(key)), folded };
  };

  const makeRow = (key) => {
    const button = make('button.open', { type: 'button', 'aria-expanded': 'false' }, make('span.sign', { 'aria-hidden': 'true' }), make('span.label'));
    button.addEventListener('click', () => toggle(key));
    const cell = (tag) => make(`td.${tag}`);
    return make('tr', {}, make('th.c-name', { scope: 'row' }, make('div.tree', {}, button, make('span.more'))),
      cell('c-state'), cell('c-account.w2'), cell('c-project.w3'), cell('num.w3'), cell('num.w2'), cell('num'), cell('num.w3'));
  };

  const stateOf = (node) => {
    const [sign, word, style] = STATES[node.state] || ['·', Format.text(node.state), 'off'];
    return node.needsYou ? ['►', 'needs you', 'warn'] : [sign, word, style];
  };

  const drawRow = (row, key, depth, folded) => {
    const node = Model.row('nodes', key);
    const [name, state, account, project, burn, tokens, cost, last] = row.children;
    const [button, more] = name.firstChild.children;
    const [sign, label] = button.children;
    row.style.setProperty('--depth', Math.min(depth, 6));
    const [mark, word, style] = stateOf(node);
    write(sign, (node.agent ? '' : Format.clean(node.emoji)) || (node.role === 'lead' ? '☂' : depth ? '↳' : '·'));
    const named = Format.clean(node.label) || Format.clean(node.title) || node.session.slice(0, 8);
    write(title(label, [node.label, node.title].map(Format.clean).filter(Boolean).join(' · ')), named);
    set(button, { 'aria-expanded': String(open.has(key)) });
    const beside = [Format.clean(node.chip), Format.clean(node.title) !== named ? Format.clean(node.title) : '', folded ? `+${folded} idle` : ''];
    write(more, beside.filter(Boolean).join(' · '));
    write(title(state, Format.clean(node.waitingFor)), `${mark} ${word}`);
    set(state, { 'data-level': style });
    write(title(account, Format.clean(node.account)), Format.text(node.account));
    const place = [node.project, node.branch].map(Format.clean).filter(Boolean).join(' ⎇ ');
    write(title(project, place), place || Format.DASH);
    write(burn, Format.tokens(node.burn));
    write(tokens, Format.tokens(node.tokens));
    write(cost, Format.dollars(node.cost, node.costEstimated));
    timed(last, 'ago', node.lastUsedAt);
  };

  const pairs = (element, values) => {
    element.replaceChildren(...Object.entries(values).filter(([, value]) => value)
      .map(([name, value]) => make('div', {}, make('dt', {}, name), make('dd', {}, value))));
  };

  const makeDetail = (key) => {
    const why = make('button.quiet', { type: 'button' }, 'Why its last request went there');
    const answer = make('div.decision', { 'aria-live': 'polite' });
    why.addEventListener('click', async () => {
      explained.set(key, true);
      const session = encodeURIComponent(Model.row('nodes', key)?.session ?? '');
      await Activity.explainInto(answer, `/teamclaude/sessions/${session}/explain`);
    });
    return make('tr.detail', {}, make('td', { colspan: 8 },
      make('dl.pairs'), make('div.controls', {}, why, make('span.own')), answer));
  };

  const drawDetail = (row, key) => {
    const node = Model.row('nodes', key);
    const [list, controls] = row.firstChild.children;
    const now = Model.now();
    const values = {
      Title: Format.clean(node.title), Session: Format.clean(node.session), 'Sub-agent': Format.clean(node.agent),
      Account: Format.clean(node.account), Project: Format.clean(node.project), Branch: Format.clean(node.branch),
      About: Format.clean(node.about), Model: Format.clean(node.model), 'Waits for': Format.clean(node.waitingFor),
      'Prompt cache': node.warm ? 'warm' : 'cold', Tokens: Format.tokens(node.tokens), Burn: Format.tokens(node.burn),
      Cost: Format.dollars(node.cost, node.costEstimated),
      'Last used': Format.known(node.lastUsedAt) ? Format.moment(node.lastUsedAt, now) : '',
    };
    const wanted = JSON.stringify(values);
    if (list.drawn !== wanted) {
      list.drawn = wanted;
      pairs(list, values);
    }
    Controls.drawSession(controls.lastChild, node);
  };

  const toggle = (key) => {
    if (!open.delete(key)) open.add(key);
    render();
  };

  // Open the row of an agent and go there, even when a filter hides it.
  const reveal = (key) => {
    if (!Model.rows('nodes').has(key)) return;
    open.add(key);
    render();
    if (!get('agents-rows').rowsByKey?.has(key)) {
      Filters.clear();
      render();
    }
    const row = get('agents-rows').rowsByKey?.get(key);
    if (!row) return;
    row.querySelector('button').focus({ preventScroll: true });
    row.scrollIntoView({ block: 'center' });
  };

  const summary = (all, shown) => {
    const values = [...all.values()];
    const sum = (field) => {
      const known = values.map((node) => node[field]).filter(Format.known);
      return known.length ? known.reduce((a, b) => a + b, 0) : null;
    };
    const busy = values.filter(isBusy).length;
    const parts = [`${Format.plural(values.length, 'agent')}, ${busy} at work`,
      `${Format.tokens(sum('tokens'))} tokens`, Format.dollars(sum('cost'), values.some((node) => node.costEstimated))];
    if (shown < all.size) parts.push(`${shown} shown`);
    return parts.join(' · ');
  };

  const render = () => {
    const all = Model.rows('nodes');
    const nodes = new Map([...all].filter(([, node]) => Filters.takesNode(node)));
    const body = get('agents-rows');
    const { lines, children } = sortedLines(nodes, Dom.isInUse(body));
    const fold = get('agents-fold').checked ? foldIdle(lines, nodes, children) : { shown: lines, folded: new Map() };
    const depths = new Map(fold.shown.map(({ key, depth }) => [key, depth]));
    for (const key of open) if (!all.has(key)) open.delete(key);
    const keys = fold.shown.flatMap(({ key }) => (open.has(key) ? [key, key + DETAIL] : [key]));
    keyed(body, keys, (key) => (key.endsWith(DETAIL) ? makeDetail(key.slice(0, -DETAIL.length)) : makeRow(key)), (row, key) => {
      if (key.endsWith(DETAIL)) drawDetail(row, key.slice(0, -DETAIL.length));
      else drawRow(row, key, depths.get(key), fold.folded.get(key));
    });
    write(get('agents-sum'), summary(all, fold.shown.length));
    show(get('agents-none'), !fold.shown.length);
    write(get('agents-none'), all.size ? 'No agent fits the filter.' : 'No agent yet. Start one: teamclaude run');
  };

  return { render, reveal, keyOf, pairs };
})();
