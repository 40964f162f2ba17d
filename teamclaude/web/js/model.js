// What the server has told: sections of rows by key, kept up by an EventSource.
//
// 1. `full` replaces everything, `delta` whole rows; null removes one.  Unknown sections and fields are kept and ignored.
// 2. Times are the server's, in milliseconds; `now` is the server's clock, carried on by ours.
// 3. A lost connection is made again by us, later each time, at most every 15 s; the rows stay as they were.
// 4. A browser opens six connections to a server at most, and the stream of a page takes one for as long as it is
//    open: a page that is looked at has all those that nobody looks at give theirs back until they are.
'use strict';

const Model = (() => {
  const SECTIONS = ['about', 'accounts', 'nodes', 'needsYou', 'inflight', 'activity'];
  const EVENTS = '/teamclaude/page/events';
  const SESSION = '/teamclaude/page/session';
  const LONGEST_PAUSE_MS = 15000;

  const sections = new Map(SECTIONS.map((name) => [name, new Map()]));
  const listeners = [];
  let source = null;
  let pause = 1000;
  let timer = 0;
  let offset = 0;
  const link = { state: 'connecting', at: null, reason: '' };

  const now = () => Date.now() + offset;
  const rows = (name) => sections.get(name) || new Map();
  const row = (name, key) => rows(name).get(key) || null;
  const about = () => rows('about').get('') || {};

  const pages = 'BroadcastChannel' in window ? new BroadcastChannel('teamclaude') : null;

  const tell = (changed) => listeners.forEach((listener) => listener(changed));
  const setState = (state) => {
    link.state = state;
    tell(new Set(['link']));
  };

  const readClock = (values) => {
    const at = values && values.about && values.about[''] && values.about[''].at;
    if (Format.known(at)) offset = at - Date.now();
  };

  const apply = (values, whole) => {
    readClock(values);
    link.at = Date.now();
    if (whole) SECTIONS.forEach((name) => sections.set(name, new Map()));
    for (const [name, changes] of Object.entries(values || {})) {
      if (typeof changes !== 'object' || changes === null) continue;
      if (!sections.has(name)) sections.set(name, new Map());
      const held = sections.get(name);
      for (const [key, value] of Object.entries(changes)) {
        if (value === null) held.delete(key);
        else held.set(key, value);
      }
    }
    tell(new Set(whole ? ['link', ...SECTIONS] : Object.keys(values || {})));
  };

  const onMessage = (event, whole) => {
    let values;
    try {
      values = JSON.parse(event.data);
    } catch {
      return connectLater(); // only a whole answer is right again
    }
    pause = 1000;
    link.reason = '';
    if (link.state !== 'live') setState('live');
    apply(values, whole);
    return undefined;
  };

  const connect = () => {
    clearTimeout(timer);
    if (source) source.close();
    if (pages && !document.hidden) pages.postMessage('looked at');
    source = new EventSource(EVENTS);
    source.addEventListener('full', (event) => onMessage(event, true));
    source.addEventListener('delta', (event) => onMessage(event, false));
    source.addEventListener('error', connectLater);
  };

  const connectLater = async () => {
    if (source) source.close();
    source = null;
    clearTimeout(timer);
    if (link.state !== 'signed out') setState('lost');
    // An EventSource does not say why it failed: ask.
    const status = await statusOf(SESSION);
    if (link.state === 'paused') return undefined;
    if (status === 401 || status === 403) return setState('signed out');
    if (status === 200) {
      link.reason = await refusalOf(EVENTS);
      setState('lost');
    }
    timer = setTimeout(connect, pause);
    pause = Math.min(pause * 1.7, LONGEST_PAUSE_MS);
    return undefined;
  };

  const rest = () => {
    if (!document.hidden || link.state === 'signed out') return;
    clearTimeout(timer);
    if (source) source.close();
    source = null;
    setState('paused');
  };
  if (pages) pages.addEventListener('message', rest);

  const statusOf = async (path) => {
    try {
      return (await fetch(path, { cache: 'no-store', credentials: 'same-origin' })).status;
    } catch {
      return 0;
    }
  };

  // Why the stream is refused to somebody who is signed in; empty if it is not.
  const refusalOf = async (path) => {
    const asked = new AbortController();
    try {
      const response = await fetch(path, { cache: 'no-store', credentials: 'same-origin', signal: asked.signal });
      return response.ok ? '' : await problem(response);
    } catch {
      return '';
    } finally {
      asked.abort(); // an open stream would keep a place
    }
  };

  // The message of an error answer, or a word for its status.
  const problem = async (response) => {
    try {
      const value = await response.json();
      return Format.clean(value.error.message || value.error).slice(0, 300);
    } catch {
      return `The server answered ${response.status}.`;
    }
  };

  const send = async (method, path, body) => {
    const headers = method === 'GET' ? {} : { 'content-type': 'application/json', 'x-teamclaude-page': '1' };
    let response;
    try {
      response = await fetch(path, {
        method, headers, cache: 'no-store', credentials: 'same-origin', redirect: 'error',
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch {
      throw new Error('The server can’t be reached.');
    }
    if (!response.ok) throw new Error(await problem(response));
    try {
      return await response.json();
    } catch {
      throw new Error('The server’s answer can’t be read.');
    }
  };

  // `proof`: {key} or {code}; the answer is a cookie that no script can read.
  const signIn = async (proof) => {
    await send('POST', SESSION, proof);
    connect();
  };
  const signOut = async () => {
    await send('DELETE', SESSION);
    if (source) source.close();
    setState('signed out');
  };

  return {
    link, now, rows, row, about, connect, statusOf, send, signIn, signOut,
    onChange: (listener) => listeners.push(listener),
    get: (path) => send('GET', path),
  };
})();
