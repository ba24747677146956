// Adapts the operations of the ABI to the interfaces of App Connect. Both shapes of an argument or an answer are accepted.

const unsupported = Symbol('unsupported'); // is thrown by an operation to which the host does the standard thing

const needObject = (operation, answer) => {
  if (typeof answer !== 'object' || answer === null) throw new TypeError(`${operation} returned ${answer === null ? 'null' : typeof answer}: return an object`);
  return answer;
};

// adapters call an operation. Each gets the function as a call, the input, and its text.
const adapters = {
  async getAuthType(call, input) {
    const answer = await call(input);
    return typeof answer === 'string' ? { type: answer } : needObject('getAuthType', answer);
  },

  async getOauthInfo(call, input) { return needObject('getOauthInfo', await call(input)); },

  async getOverridingOAuthOption(call, input) {
    const answer = await call(input) ?? {};
    // In App Connect, an undefined header is a header that is not sent.
    for (const name of keys(answer.headers ?? {})) answer.headers[name] ??= '';
    return needObject('getOverridingOAuthOption', answer);
  },

  async getBasicAuth(call, input) {
    const answer = await call(input);
    return typeof answer === 'string' ? { basic: answer } : needObject('getBasicAuth', answer);
  },

  async getUserInfo(call, input) {
    input.query ??= {};
    return needObject('getUserInfo', await call(input));
  },

  async getManagedAuthOptions(call, input) {
    const answer = await call(input);
    return isArray(answer) ? { options: answer } : needObject('getManagedAuthOptions', answer);
  },

  authValidation: (call, input, text) => person('authValidation', call, input, text),
  refreshUserInfo: (call, input, text) => person('refreshUserInfo', call, input, text),
  unAuthorize: (call, input, text) => person('unAuthorize', call, input, text),
  postSaveUserInfo: (call, input, text) => person('postSaveUserInfo', call, input, text),

  async getLicenseStatus(call, input, text) {
    const user = new User('getLicenseStatus', input, text);
    return needObject('getLicenseStatus', await call({ ...input, user, userId: user.id, platform: user.platform }));
  },

  // The first argument is App Connect's application and the ABI's input in one. So the same call serves both.
  async checkAndRefreshAccessToken(call, input, text) {
    const user = new User('checkAndRefreshAccessToken', input, text);
    const app = oauthApp({ ...input, user });
    return refreshed(user, input, await call(app, user, 20));
  },
};

// person calls an operation on a stored user. No answer at all means that all went well where the ABI allows that.
async function person(operation, call, input, text) {
  const user = new User(operation, input, text);
  const argument = { ...input, user };
  if (operation === 'postSaveUserInfo') Object.assign(argument, { userInfo: user, oauthApp: oauthApp(argument) });
  let answer = await call(argument);
  const optional = operation === 'unAuthorize' || operation === 'postSaveUserInfo';
  if (answer === undefined || answer === null || answer === user) {
    if (!optional) throw new TypeError(`${operation} returned no outcome: return {successful: true} or {successful: false, returnMessage}`);
    answer = {};
  }
  return withChanges(needObject(operation, answer), User.changes(user));
}

// withChanges adds what save() kept to an answer. What the answer says itself takes precedence.
function withChanges(answer, changes) {
  const stated = answer.user?.platformAdditionalInfo;
  if (answer.user instanceof User) return { ...answer, user: changes && { platformAdditionalInfo: changes } };
  if (!changes) return answer;
  return { ...answer, user: { platformAdditionalInfo: { ...changes, ...stated } } };
}

// refreshed makes the ABI's answer of a user whose tokens the connector has changed.
function refreshed(user, input, answer) {
  needObject('checkAndRefreshAccessToken', answer);
  if (!(answer instanceof User) && !('tokenExpiry' in answer)) return withChanges(answer, User.changes(user));
  const { accessToken, refreshToken } = answer;
  if (accessToken === input.authHeader.replace(/^Bearer /, '')) failWithLastAnswer();
  const expires = answer.tokenExpiry === undefined || answer.tokenExpiry === null ? NaN : Number(new Date(Number(answer.tokenExpiry) || answer.tokenExpiry));
  const seconds = floor((expires - now()) / 1000);
  return {
    accessToken,
    refreshToken: refreshToken === input.refreshToken ? undefined : refreshToken,
    expiresIn: seconds > 0 ? seconds : undefined,
    user: answer instanceof User && User.current(answer) ? { platformAdditionalInfo: User.current(answer) } : undefined,
  };
}

function adapt(operation, f, self, input, text) {
  return adapters[operation]((...args) => apply(f, self, args), input, text);
}
