// Filters, keys, theme, the login, and when to draw: on changes, once a second for countdowns, never while hidden.
'use strict';

const Filters = (() => {
  const { get, options } = Dom;
  const RANGES = [[3600e3, 'last hour'], [5 * 3600e3, 'last 5 hours'], [86400e3, 'last 24 hours'], [7 * 86400e3, 'last 7 days'],
    [30 * 86400e3, 'last 30 days'], [90 * 86400e3, 'last 90 days'], [365 * 86400e3, 'last year']];
  const value = (id) => get(id).value;
  const clean = (words) => Format.clean(words);

  const range = () => Number(value('f-range')) || 86400e3;
  const since = () => Model.now() - range();
  const fits = (words) => {
    const wanted = value('f-text').trim().toLowerCase();
    return !wanted || words.map(clean).join(' ').toLowerCase().includes(wanted);
  };

  const takesNode = (node) => {
    const [account, model, project] = [value('f-account'), value('f-model'), value('f-project')];
    const recent = !Format.known(node.lastUsedAt) || node.lastUsedAt >= since() || node.needsYou;
    return recent && (!account || clean(node.account) === account) && (!model || clean(node.model) === model)
      && (!project || clean(node.project) === project)
      && fits([node.label, node.title, node.session, node.agent, node.branch, node.project, node.account]);
  };

  const takesRequest = (row, nameOf) => {
    const [account, model, project] = [value('f-account'), value('f-model'), value('f-project')];
    const node = Model.row('nodes', row.session);
    return (!Format.known(row.at) || row.at >= since() || !row.outcome)
      && (!account || (row.accounts || []).some((name) => clean(name) === account))
      && (!model || clean(row.model) === model) && (!project || (node && clean(node.project) === project))
      && fits([nameOf(row), row.session, row.agent, row.model, row.path, row.id, row.outcome, row.reason, ...(row.accounts || [])]);
  };

  const distinct = (values) => [...new Set(values.map(clean).filter(Boolean))].sort().map((each) => [each, each]);

  const offer = () => {
    const nodes = [...Model.rows('nodes').values()];
    const requests = [...Model.rows('activity').values(), ...Model.rows('inflight').values()];
    options(get('f-account'), distinct([...Model.rows('accounts').values()].map((row) => row.name)), 'all');
    options(get('f-model'), distinct([...requests, ...nodes].map((row) => row.model)), 'all');
    options(get('f-project'), distinct(nodes.map((node) => node.project)), 'all');
  };

  const reset = () => {
    for (const id of ['f-account', 'f-model', 'f-project', 'f-text']) get(id).value = '';
    get('f-range').value = String(86400e3);
  };
  const clear = () => {
    reset();
    Page.filtered();
  };

  const start = () => {
    options(get('f-range'), RANGES.map(([ms, words]) => [String(ms), words]));
    reset();
    const form = get('filters');
    form.addEventListener('submit', (event) => event.preventDefault());
    form.addEventListener('input', () => Page.filtered());
    form.addEventListener('reset', (event) => {
      event.preventDefault();
      clear();
    });
  };

  return { start, offer, clear, range, since, takesNode, takesRequest, chosen: () => ({ account: value('f-account'), model: value('f-model'), project: value('f-project') }) };
})();

const Theme = (() => {
  const ORDER = ['system', 'light', 'dark'];
  const NAME = 'teamclaude.theme';
  const read = () => {
    try {
      return localStorage.getItem(NAME);
    } catch {
      return null; // storage is off
    }
  };
  const apply = (theme) => {
    const known = ORDER.includes(theme) ? theme : 'system';
    document.documentElement.dataset.theme = known;
    const button = Dom.get('theme');
    Dom.write(button, { system: '◐', light: '○', dark: '●' }[known]);
    Dom.set(button, { 'aria-label': `Theme: ${known}`, title: `Theme: ${known} (t)` });
  };
  const next = () => {
    const theme = ORDER[(ORDER.indexOf(document.documentElement.dataset.theme) + 1) % ORDER.length];
    try {
      localStorage.setItem(NAME, theme);
    } catch { /* it lasts as long as the page */ }
    apply(theme);
  };
  return { start: () => apply(read()), next };
})();

const Keys = (() => {
  const { get } = Dom;
  const OFF = 'teamclaude.keys-off';
  let needed = -1;

  const goTo = (id) => {
    get(id).focus({ preventScroll: true });
    get(id).scrollIntoView();
  };
  const nextNeed = () => {
    const buttons = [...get('needs').querySelectorAll('button')];
    if (!buttons.length) return;
    needed = (needed + 1) % buttons.length;
    buttons[needed].focus();
  };
  const actions = {
    1: () => goTo('now'), 2: () => goTo('agents'), 3: () => goTo('activity'), 4: () => goTo('history'),
    n: nextNeed, t: Theme.next, '/': () => get('f-text').focus(), '?': () => get('keys').showModal(),
  };

  const step = (event) => {
    const button = event.target.closest?.('tbody button.open');
    if (!button || (event.key !== 'ArrowDown' && event.key !== 'ArrowUp')) return;
    const all = [...button.closest('tbody').querySelectorAll('button.open')];
    const next = all[all.indexOf(button) + (event.key === 'ArrowDown' ? 1 : -1)];
    if (next) next.focus();
    event.preventDefault();
  };

  const onKey = (event) => {
    step(event);
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === 'Escape' && event.target === get('f-text')) return Filters.clear();
    if (event.target.matches?.('input, select, textarea') || document.querySelector('dialog[open]') || !get('keys-on').checked) return undefined;
    const action = actions[event.key];
    if (!action || get('page').hidden) return undefined;
    event.preventDefault();
    action();
    return undefined;
  };

  const start = () => {
    const box = get('keys-on');
    try {
      box.checked = localStorage.getItem(OFF) !== '1';
    } catch {
      box.checked = true;
    }
    box.addEventListener('change', () => {
      try {
        localStorage.setItem(OFF, box.checked ? '0' : '1');
      } catch { /* it lasts as long as the page */ }
    });
    get('help').addEventListener('click', () => get('keys').showModal());
    document.addEventListener('keydown', onKey);
  };
  return { start };
})();

const Page = (() => {
  const { get, write, show, set, tickAll } = Dom;
  const RENDERERS = [
    [['about', 'accounts', 'nodes'], () => Accounts.render()],
    [['about', 'accounts', 'nodes', 'needsYou', 'inflight', 'activity'], () => Now.render()],
    [['nodes', 'filters', 'about', 'accounts'], () => Agents.render()],
    [['inflight', 'activity', 'nodes', 'filters'], () => Activity.render()],
    [['accounts', 'nodes', 'activity', 'inflight'], () => Filters.offer()],
    [['about'], () => Controls.render()],
    [['link'], () => drawLink()],
  ];
  const pending = new Set();
  let frame = 0;
  let seen = false;

  const schedule = (changed) => {
    changed.forEach((name) => pending.add(name));
    if (['needsYou', 'about', 'link'].some((name) => changed.has(name))) Now.nameTab();
    // A hidden tab gets no frames: all is drawn at once when it is looked at again.
    if (!frame) frame = requestAnimationFrame(draw);
  };

  const draw = () => {
    frame = 0;
    const changed = new Set(pending);
    pending.clear();
    const signedIn = Model.link.state !== 'signed out';
    show(get('login'), !signedIn);
    show(get('page'), signedIn && Model.link.at !== null);
    for (const [sections, render] of RENDERERS) if (sections.some((name) => changed.has(name))) render();
    if (!seen && Model.link.at !== null && signedIn) {
      seen = true;
      HistoryView.load();
    }
  };

  const drawLink = () => {
    const { state, at, reason } = Model.link;
    const element = get('link');
    set(element, { 'data-level': state === 'live' ? 'good' : state === 'lost' ? 'bad' : 'off' });
    if (state === 'live') return write(element, '● live');
    if (state === 'signed out') return write(element, '○ signed out');
    if (state === 'connecting') return write(element, '◌ connecting');
    if (state === 'paused') return write(element, '◌ paused');
    const age = at ? `last update ${Format.duration(Date.now() - at)} ago` : '';
    return write(element, ['✖ not connected', reason, age].filter(Boolean).join(', '));
  };

  // Age and countdowns; a live region must not speak each second, so the age of a lost link moves every 10 s.
  let ticks = 0;
  const tick = () => {
    if (document.hidden) return;
    ticks += 1;
    tickAll(Model.now());
    if (Model.link.state === 'live') HistoryView.keepFresh();
    if (Model.link.state === 'lost' && ticks % 10 === 0) drawLink();
  };

  const onLogin = async (event) => {
    event.preventDefault();
    const field = get('login-key');
    write(get('login-error'), '');
    try {
      await Model.signIn({ key: field.value });
      field.value = '';
    } catch (error) {
      write(get('login-error'), error.message);
      field.focus();
    }
  };

  // `teamclaude web` opens the page with a code behind the #: it serves once, and goes out of the address at once.
  const codeInAddress = () => new URLSearchParams(window.location.hash.slice(1)).get('code');
  const begin = async () => {
    const code = codeInAddress();
    if (!code) return Model.connect();
    window.history.replaceState(null, '', window.location.pathname);
    try {
      return await Model.signIn({ code });
    } catch (error) {
      write(get('login-error'), error.message);
      return Model.connect();
    }
  };

  const filtered = () => {
    Activity.reset();
    schedule(new Set(['filters']));
    HistoryView.loadSoon();
  };

  const start = () => {
    Theme.start();
    Keys.start();
    Filters.start();
    Activity.start();
    HistoryView.start();
    get('theme').addEventListener('click', Theme.next);
    get('login-form').addEventListener('submit', onLogin);
    for (const id of ['agents-fold', 'activity-pause']) get(id).addEventListener('change', () => schedule(new Set(['filters'])));
    Model.onChange(schedule);
    setInterval(tick, 1000);
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      // After a sleep of the machine the connection may be dead without a word.
      if (['lost', 'paused'].includes(Model.link.state) || Date.now() - (Model.link.at || 0) > 60000) Model.connect();
      tick();
    });
    window.addEventListener('online', () => Model.connect());
    // An address with a new code, pasted over that of the open page, loads nothing.
    window.addEventListener('hashchange', () => {
      if (codeInAddress()) begin();
    });
    get('sign-out').addEventListener('click', () => Model.signOut().catch((error) => Controls.result(error.message, true)));
    begin();
  };

  return { start, filtered };
})();

Page.start();
