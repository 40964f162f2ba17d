// The first screen's answers: the verdict, who waits for a person, and why nothing happens, if nothing does.
'use strict';

const Now = (() => {
  const { make, write, show, set, timed, keyed, get, title } = Dom;
  const VERDICTS = {
    green: ['●', 'Takes work', 'good'],
    yellow: ['▲', 'Tight', 'warn'],
    red: ['■', 'No account would serve now', 'bad'],
  };

  const MAX_HELD = 6; // rows; the reasons are much alike, and the agents stand below

  const verdict = () => {
    const about = Model.about();
    const [sign, word, style] = VERDICTS[about.verdict] || ['?', 'Not known yet', 'off'];
    const parts = [word];
    if (about.draining) parts.unshift('Shutting down');
    else if (about.ending) parts.unshift('About to stop');
    if (about.finishing) parts.push(`restarted: ${Format.plural(about.finishing, 'request')} to finish in the old process`);
    if (about.verdict !== 'red' && Format.known(about.headroom)) {
      parts.push(about.headroom > 0 ? `room for ${Format.plural(about.headroom, 'more conversation')}` : 'no room for more conversations');
    }
    const held = heldRows().length;
    if (held) parts.push(`${Format.plural(held, 'request')} held`);
    set(get('verdict'), { 'data-level': about.draining ? 'warn' : style });
    write(get('verdict'), `${sign} ${parts.join(' · ')}`);
  };

  const facts = () => {
    const about = Model.about();
    const now = Model.now();
    const nodes = [...Model.rows('nodes').values()];
    const total = about.totalAccounts ?? Model.rows('accounts').size;
    const [words, more] = Accounts.outlook(about.forecast, now);
    const values = {
      Accounts: Format.known(about.liveAccounts) ? `${about.liveAccounts} of ${total} live` : Format.DASH,
      'In flight': String(Model.rows('inflight').size),
      'Agents at work': String(nodes.filter((node) => !['idle', 'done', ''].includes(node.state || '')).length),
      'Need you': String(Model.rows('needsYou').size),
      'Next back': about.soonestResetAt ?? null,
      'The pool': words ? words.replace(/^full/, 'dry') : Format.DASH,
    };
    keyed(get('facts'), Object.keys(values), (name) => make('div', {}, make('dt', {}, name), make('dd')), (element, name) => {
      const value = element.lastChild;
      const allHere = !Format.known(values[name]) && total > 0 && about.liveAccounts === total;
      if (name === 'Next back' && allHere) write(set(value, { 'data-mode': null }), 'all are here');
      else if (name === 'Next back') timed(value, 'until', values[name], 'in ');
      else write(value, values[name]);
      if (name === 'The pool') title(value, more || 'when no account serves any more: not told yet');
      if (name === 'Need you') set(element, { 'data-level': values[name] === '0' ? null : 'warn' });
    });
  };

  const heldRows = () => [...Model.rows('inflight')]
    .filter(([, row]) => row.waiting && row.waiting.kind === 'held')
    .sort(([, a], [, b]) => (a.waiting.at ?? 0) - (b.waiting.at ?? 0));

  // The longest outage, if the API of no usable account can be reached.
  const cutOff = (accounts) => {
    const outages = Model.about().outages || [];
    const cut = new Set(outages.flatMap((outage) => outage.accounts));
    const usable = accounts.filter((account) => account.usable);
    return usable.length && usable.every((account) => cut.has(account.name)) ? outages[0] : null;
  };

  // One sentence: nothing runs, or what keeps it from running.
  const reason = () => {
    const about = Model.about();
    const now = Model.now();
    const accounts = [...Model.rows('accounts').values()];
    const inflight = [...Model.rows('inflight').values()];
    const waiting = inflight.filter((row) => row.waiting);
    const back = Format.known(about.soonestResetAt) && about.soonestResetAt > now
      ? `The first account is back at ${Format.moment(about.soonestResetAt, now)}.` : '';
    if (about.draining) return 'The server is shutting down: running answers may finish, nothing new is taken.';
    if (about.ending) return 'A drain is announced: load balancers are told to go elsewhere, and requests are still served.';
    if (!accounts.length) return 'There is no account. Add one: teamclaude login';
    const enabled = accounts.filter((account) => account.status !== 'disabled');
    if (!enabled.length) return 'Every account is disabled: enable one.';
    if (enabled.every((account) => account.status === 'auth_failed')) return 'Every account needs a login: teamclaude login';
    const outage = cutOff(accounts);
    if (outage) {
      return `The API can't be reached since ${Format.moment(outage.since, now)}: ${Format.clean(outage.reason)}. `
        + `${Format.plural(outage.failed, 'request')} failed, the last at ${Format.moment(outage.lastAt, now)}.`;
    }
    if (about.verdict === 'red' && accounts.some((account) => account.lastResort && account.usable)) return `Only a paid key serves. ${back}`;
    if (about.verdict === 'red') return `No account can serve. ${back || 'No reset is known.'}`;
    const slots = waiting.filter((row) => row.waiting.kind !== 'held').length;
    if (slots) return `${Format.plural(slots, 'request')} wait${slots === 1 ? 's' : ''} for a free slot; the rest is served.`;
    if (heldRows().length) return 'Some requests are held: no account can take them now.';
    if (inflight.length) return `Nothing waits: ${Format.plural(inflight.length, 'request')} in flight.`;
    const asked = [...Model.rows('activity').values()].filter((row) => row.session);
    const last = Math.max(...asked.map((row) => row.at ?? 0), 0);
    if (Model.rows('needsYou').size) return 'No agent asks for anything: some wait for you.';
    return last ? `No agent has asked for anything since ${Format.moment(last, now)}.` : 'No agent has asked for anything yet.';
  };

  const makeHeld = () => make('li', {}, make('span.sign', { 'aria-hidden': 'true' }, '‖'), make('strong'), make('span'), make('span.age'), make('span'));

  const drawHeld = (element, key) => {
    const row = Model.row('inflight', key);
    const { waiting } = row;
    const [, name, why, age, back] = element.children;
    const node = Model.row('nodes', Agents.keyOf(row));
    write(name, Format.text((node && node.label) || row.session.slice(0, 8)));
    write(why, [waiting.reason, waiting.detail].map(Format.clean).filter(Boolean).join(': ') || 'no account');
    timed(age, 'since', waiting.at, 'held ');
    show(back, Boolean(waiting.account || Format.known(waiting.backAt)));
    timed(back, 'until', waiting.backAt, `${Format.text(waiting.account)} is back in `);
  };

  // As in the Deck: what a client asks (any other reason), a login, then the issues; of each the longest.
  const URGENCY = ['login needed', 'blocked', 'in review', 'issue pinned twice'];
  const urgency = (row) => URGENCY.indexOf(row.reason);

  const needsKeys = () => [...Model.rows('needsYou')]
    .sort(([, a], [, b]) => (urgency(a) - urgency(b)) || ((a.since ?? 0) - (b.since ?? 0))).map(([key]) => key);

  const makeNeed = (key) => {
    const button = make('button.row', { type: 'button', 'data-needs': key }, make('span.sign', { 'aria-hidden': 'true' }, '►'),
      make('strong'), make('span.reason'), make('span.age'), make('span.place'));
    button.addEventListener('click', () => {
      const row = Model.row('needsYou', key);
      if (row) Agents.reveal(Agents.keyOf(row));
    });
    return make('li', {}, button);
  };

  const drawNeed = (element, key) => {
    const row = Model.row('needsYou', key);
    const [, name, why, age, place] = element.firstChild.children;
    write(name, Format.text(row.label));
    write(why, Format.text(row.reason));
    timed(age, 'since', row.since);
    write(place, Format.clean(row.project));
  };

  const render = () => {
    verdict();
    facts();
    write(get('why'), reason());
    write(get('version'), Format.clean(Model.about().version));
    const held = heldRows().map(([key]) => key);
    keyed(get('held'), held.slice(0, MAX_HELD), makeHeld, drawHeld);
    write(get('held-more'), held.length > MAX_HELD ? `… ${held.length - MAX_HELD} more, in the table of agents` : '');
    show(get('held-more'), held.length > MAX_HELD);
    const needs = needsKeys();
    keyed(get('needs'), needs, makeNeed, drawNeed, Dom.isInUse(get('needs')));
    write(get('needs-none'), needs.length ? '' : 'Nobody.');
    show(get('needs-none'), !needs.length);
  };

  // The tab's name works for a page that nobody looks at.
  const nameTab = () => {
    const counts = Model.link.state !== 'paused';
    const needs = counts ? Model.rows('needsYou').size : 0;
    const said = counts ? Model.about().verdict : '';
    const words = `${needs ? `(${needs}) ` : ''}${said === 'red' ? '■ ' : ''}TeamClaude`;
    if (document.title !== words) document.title = words;
  };

  return { render, nameTab, needsKeys };
})();
