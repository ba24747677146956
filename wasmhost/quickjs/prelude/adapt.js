// Adapts the operations of the ABI to the interfaces of App Connect. Both shapes of an argument or an answer are accepted.

function needObject(operation, answer) {
  if (typeof answer === 'object' && answer !== null) return answer;
  throw new TypeError(`${operation} returned ${answer === null ? 'null' : typeof answer}: return an object`);
}

// asItIs makes the adapter of an operation whose input and answer are objects in both worlds.
const asItIs = (operation) => ({
  before: (input) => [input],
  after: (answer) => needObject(operation, answer),
});

// wrapping makes an adapter that accepts a bare value in place of an object with one member.
const wrapping = (operation, isBare, member) => ({
  before: (input) => [input],
  after: (answer) => (isBare(answer) ? { [member]: answer } : needObject(operation, answer)),
});

const isText = (value) => typeof value === 'string';

// aboutUser makes the adapter of an operation on a stored user. If it is optional, no answer at all means that all went well.
const aboutUser = (operation, optional) => ({
  before(input, text) {
    input.user = new User(operation, input, text);
    if (operation === 'postSaveUserInfo') define({ userInfo: input.user, oauthApp: oauthApp(input) }, input);
    return [input];
  },
  after(answer, { user }) {
    if (optional && (answer === undefined || answer === null || answer === user)) answer = {};
    return withChanges(needObject(operation, answer), User.changes(user));
  },
});

// adapters has for each operation the function before, which makes the arguments of the input (and its text), and the function after,
// which makes the output of the answer and the first argument.
const adapters = {
  getAuthType: wrapping('getAuthType', isText, 'type'),
  getOauthInfo: asItIs('getOauthInfo'),
  getBasicAuth: wrapping('getBasicAuth', isText, 'basic'),
  getManagedAuthOptions: wrapping('getManagedAuthOptions', isArray, 'options'),
  authValidation: aboutUser('authValidation', false),
  refreshUserInfo: aboutUser('refreshUserInfo', false),
  unAuthorize: aboutUser('unAuthorize', true),
  postSaveUserInfo: aboutUser('postSaveUserInfo', true),

  getOverridingOAuthOption: {
    before: (input) => [input],
    after(answer) {
      const option = needObject('getOverridingOAuthOption', answer ?? {});
      // In App Connect, an undefined header is a header that is not sent.
      for (const name of keys(option.headers ?? {})) option.headers[name] ??= '';
      return option;
    },
  },

  getUserInfo: {
    before(input) {
      input.query ??= {};
      return [input];
    },
    after: (answer) => needObject('getUserInfo', answer),
  },

  getLicenseStatus: {
    before(input, text) {
      const user = new User('getLicenseStatus', input, text);
      return [{ ...input, user, userId: user.id, platform: user.platform }];
    },
    after: (answer) => needObject('getLicenseStatus', answer),
  },

  // The first argument is App Connect's application and the ABI's input in one. So the same call serves both.
  checkAndRefreshAccessToken: {
    before(input, text) {
      input.user = new User('checkAndRefreshAccessToken', input, text);
      return [oauthApp(input), input.user, 20];
    },
    after: (answer, input) => refreshed(input.user, input, needObject('checkAndRefreshAccessToken', answer)),
  },
};

// withChanges adds what save() kept to an answer. What the answer says itself takes precedence.
function withChanges(answer, changes) {
  const stated = answer.user?.platformAdditionalInfo;
  if (answer.user instanceof User) return { ...answer, user: changes && { platformAdditionalInfo: changes } };
  if (!changes) return answer;
  return { ...answer, user: { platformAdditionalInfo: { ...changes, ...stated } } };
}

// refreshed makes the ABI's answer of a user whose tokens the connector has changed.
function refreshed(user, input, answer) {
  if (!(answer instanceof User) && !('tokenExpiry' in answer)) return withChanges(answer, User.changes(user));
  const { accessToken, refreshToken } = answer;
  if (accessToken === input.authHeader.replace(/^Bearer /, '')) failWithLastAnswer();
  const expires = answer.tokenExpiry === undefined || answer.tokenExpiry === null ? NaN : Number(new Date(Number(answer.tokenExpiry) || answer.tokenExpiry));
  const seconds = Math.round((expires - now()) / 1000);
  return {
    accessToken,
    refreshToken: refreshToken === input.refreshToken ? undefined : refreshToken,
    expiresIn: seconds > 0 ? seconds : undefined,
    user: answer instanceof User && User.current(answer) ? { platformAdditionalInfo: User.current(answer) } : undefined,
  };
}
