// What an operator can do: pin, unpin, disable, enable, reload.  Each says its price before it asks; observers see none.
'use strict';

const Controls = (() => {
  const { get, make, write, show, set, options } = Dom;
  const FREE = 'nothing: no conversation moves, no prompt cache gets lost';
  const isOperator = () => Model.about().role === 'operator';

  const result = (words, failed = false) => {
    set(get('result'), { 'data-level': failed ? 'bad' : 'good' });
    write(get('result'), `${failed ? '✖' : '✓'} ${words}`);
  };

  const act = async (path, body, done) => {
    try {
      await Model.send('POST', path, body);
      result(done);
    } catch (error) {
      result(error.message, true);
    }
  };

  const inWords = (price) => {
    if (!price || !Format.known(price.conversations)) return 'can’t be told';
    if (!price.conversations) return FREE;
    const tokens = Format.known(price.tokens) ? `, ${Format.tokens(price.tokens)} tokens of prompt cache are written again` : '';
    const least = price.unpricedTokens ? 'at least ' : '';
    const cost = Format.known(price.cost) ? `: ${least}${Format.dollars(price.cost, price.estimated)} at list prices` : '';
    return `${Format.plural(price.conversations, 'warm conversation')} ${price.conversations === 1 ? 'moves' : 'move'}${tokens}${cost}`;
  };

  const switchPrice = async (account, session) => {
    const fields = new URLSearchParams({ account: account ?? '' });
    if (session) fields.set('session', session);
    try {
      return inWords(await Model.get(`/teamclaude/switch-price?${fields}`));
    } catch (error) {
      return `can’t be told: ${error.message}`;
    }
  };

  // Ask with the price; resolves to whether to go on.  `choice`: accounts to choose from; `price` may depend on it.
  const ask = async ({ heading, text, yes, price, choice }) => {
    const dialog = get('ask');
    write(get('ask-title'), heading);
    write(get('ask-text'), text);
    write(get('ask-yes'), yes);
    show(get('ask-choice'), Boolean(choice));
    const select = get('ask-account');
    options(select, (choice || []).map((name) => [name, Format.clean(name)]));
    let asked = 0;
    const tellPrice = async () => {
      asked += 1;
      const mine = asked;
      write(get('ask-price'), 'being worked out …');
      const words = await price(select.value);
      if (mine === asked) write(get('ask-price'), words);
    };
    select.onchange = tellPrice;
    dialog.returnValue = 'no';
    dialog.showModal();
    get('ask-no').focus();
    tellPrice();
    await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
    return dialog.returnValue === 'yes' ? { account: select.value } : null;
  };

  const pinAll = async (name) => {
    const label = Format.clean(name);
    const answer = await ask({
      heading: `Pin everything to ${label}?`,
      text: 'All work goes to this account, also when it is full, until you unpin.',
      yes: 'Pin', price: () => switchPrice(name, null),
    });
    if (answer) await act('/teamclaude/switch', { account: name }, `Everything is pinned to ${label}.`);
  };

  const unpin = async (session) => {
    const answer = await ask({
      heading: session ? 'Unpin this session?' : 'Unpin everything?',
      text: 'The policy chooses the accounts again, at each conversation’s next request.',
      yes: 'Unpin', price: async () => FREE,
    });
    if (answer) await act('/teamclaude/switch', session ? { account: null, session } : { account: null }, 'Unpinned.');
  };

  const pinSession = async (node) => {
    const label = Format.clean(node.label) || node.session.slice(0, 8);
    const names = Accounts.sorted().map((key) => Model.row('accounts', key).name ?? key);
    const answer = await ask({
      heading: `Pin ${label}`, text: 'The session and its sub-agents go to this account until you unpin.',
      yes: 'Pin', choice: names, price: (account) => switchPrice(account, node.session),
    });
    if (answer) await act('/teamclaude/switch', { account: answer.account, session: node.session }, `${label} is pinned to ${Format.clean(answer.account)}.`);
  };

  const setEnabled = async (account, enable) => {
    const name = account.name;
    const label = Format.clean(name);
    const warm = account.warmSessions;
    const lost = Format.known(warm) && warm > 0
      ? `${Format.plural(warm, 'warm conversation')} must move: each writes its prompt cache again elsewhere` : FREE;
    const isLast = ![...Model.rows('accounts').values()].some((row) => row.name !== name && row.usable);
    const stops = isLast ? ' No other account can serve now: new work will wait.' : '';
    const answer = await ask({
      heading: `${enable ? 'Enable' : 'Disable'} ${label}?`,
      text: enable ? 'It gets work again.' : `It gets no work until it is enabled; what runs on it may finish. The config file remembers it.${stops}`,
      yes: enable ? 'Enable' : 'Disable', price: async () => (enable ? FREE : lost),
    });
    if (answer) await act(`/teamclaude/accounts/${encodeURIComponent(name)}/${enable ? 'enable' : 'disable'}`, {}, `${label} is ${enable ? 'enabled' : 'disabled'}.`);
  };

  const reload = async () => {
    const answer = await ask({
      heading: 'Read the config file again?', text: 'Accounts, limits and settings become those of the file; what runs goes on.',
      yes: 'Reload', price: async () => FREE,
    });
    if (answer) await act('/teamclaude/accounts/reload', {}, 'The config file has been read again.');
  };

  // The buttons of a place are made again only when they are others.
  const place = (element, buttons) => {
    const wanted = JSON.stringify(buttons.map(([words, name]) => [words, name]));
    if (element.shown === wanted) return;
    element.shown = wanted;
    element.replaceChildren(...buttons.map(([words, name, action]) => {
      const button = make('button.quiet', { type: 'button', 'aria-label': name }, words);
      button.addEventListener('click', action);
      return button;
    }));
  };

  const drawAccount = (element, account, label) => {
    if (!isOperator()) return place(element, []);
    const latest = () => [...Model.rows('accounts').values()].find((row) => row.name === account.name) || account;
    const disabled = account.status === 'disabled' || account.enabled === false;
    return place(element, [
      ...(disabled ? [] : [['Pin all …', `Pin all work to ${label}`, () => pinAll(account.name)]]),
      disabled ? ['Enable …', `Enable ${label}`, () => setEnabled(latest(), true)] : ['Disable …', `Disable ${label}`, () => setEnabled(latest(), false)],
    ]);
  };

  const drawSession = (element, node) => {
    if (!isOperator() || node.agent) return place(element, []);
    const pinned = Accounts.pins().some((pin) => pin.session === node.session);
    return place(element, [
      ['Pin to …', 'Pin this session to an account', () => pinSession(Model.row('nodes', node.session) || node)],
      ...(pinned ? [['Unpin …', 'Unpin this session', () => unpin(node.session)]] : []),
    ]);
  };

  const render = () => {
    const pinned = Accounts.pins().find((pin) => !pin.session);
    place(get('pool-controls'), isOperator() ? [
      ...(pinned ? [['Unpin …', `Unpin everything from ${Format.clean(pinned.account)}`, () => unpin(null)]] : []),
      ['Reload …', 'Read the config file again', reload],
    ] : []);
    const { role } = Model.about();
    show(get('sign-out'), Boolean(role));
    write(get('role'), role ? `Signed in as ${Format.clean(role)}${isOperator() ? '' : ': to look at only'}.` : '');
  };

  return { render, drawAccount, drawSession, result };
})();
