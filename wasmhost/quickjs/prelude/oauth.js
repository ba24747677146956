// The OAuth application and token that App Connect passes to connectors, as far as they refresh a token with it.

let lastFailure; // the last answer with a status of 400 or more

function noteAnswer(answer) {
  if (answer.status >= 400) lastFailure = answer;
}

// failWithLastAnswer throws the CRM's refusal if there was one. Connectors in App Connect's style log it and return the user as it
// was, which must not count as a refresh.
function failWithLastAnswer() {
  if (lastFailure) throw tokenError(lastFailure);
}

function tokenError(answer) {
  let code;
  try {
    code = oauthError(parseJSON(answer.body));
  } catch { // not JSON
  }
  const error = new Error(`The CRM has refused the request for a token with status ${answer.status}${code ? ` (${code})` : ''}`);
  return Object.assign(error, { status: answer.status, code });
}

// oauthApp adds App Connect's application to the input of an operation.
function oauthApp(input) {
  const options = input.oauthInfo ?? {};
  const createToken = (access, refresh, type, data) => {
    const given = typeof access === 'object' ? access : { ...data, access_token: access, refresh_token: refresh, token_type: type };
    return new Token(options, given);
  };
  define({ options, createToken, code: { getToken: noCode }, owner: { getToken: noCode }, credentials: { getToken: noCode } }, input);
  return input;
}

async function noCode() {
  throw new Error('oauthApp can only refresh a token here: createToken(accessToken, refreshToken).refresh()');
}

class Token {
  #options;
  constructor(options, data) {
    this.#options = options;
    this.data = data;
    this.tokenType = data.token_type?.toLowerCase();
    this.accessToken = data.access_token;
    this.refreshToken = data.refresh_token;
    if (data.expires_in !== undefined) this.expiresIn(data.expires_in);
  }

  expiresIn(duration) {
    this.expires = duration instanceof Date ? duration : new Date(now() + Number(duration) * 1000);
    return this.expires;
  }

  expired() { return now() > this.expires?.getTime(); }

  sign(request) {
    request.headers = { ...request.headers, Authorization: `Bearer ${this.accessToken}` };
    return request;
  }

  // refresh sends the refresh request of RFC 6749, section 6. The server's own refresh knows more (the manifest's token rules).
  async refresh(overrides = {}) {
    const { clientId, clientSecret, accessTokenUri, tokenAuth, scopes } = { ...this.#options, ...overrides };
    if (!accessTokenUri) throw new Error('token.refresh(): there is no token endpoint: getOauthInfo must answer accessTokenUri');
    if (!this.refreshToken) throw new Error('token.refresh(): there is no refresh token');
    if (!clientSecret && tokenAuth !== 'none') {
      throw new Error('token.refresh() needs the client secret: add "clientSecret" to crmgate.reveal in the manifest, '
        + 'or do not export checkAndRefreshAccessToken: then the server refreshes');
    }
    const body = new URLSearchParams({ ...overrides.query, ...overrides.body, grant_type: 'refresh_token', refresh_token: this.refreshToken });
    const headers = { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' };
    if (scopes && overrides.scopes) body.set('scope', isArray(scopes) ? scopes.join(' ') : scopes);
    if (tokenAuth === 'body' || tokenAuth === 'none') {
      body.set('client_id', clientId);
      if (tokenAuth === 'body') body.set('client_secret', clientSecret);
    } else {
      const encode = tokenAuth === 'basicRaw' ? String : encodeForm;
      headers.Authorization = `Basic ${base64Encode(utf8Encode(`${encode(clientId)}:${encode(clientSecret)}`))}`;
    }
    const answer = await send({ method: 'POST', url: normalURL(accessTokenUri), headers: { ...headers, ...overrides.headers }, body: body.toString() }, undefined, (a) => a);
    if (answer.status >= 400) throw tokenError(answer);
    let data;
    try {
      data = parseJSON(answer.body);
    } catch {
      data = Object.fromEntries(new URLSearchParams(answer.body));
    }
    if (data.error) throw tokenError({ ...answer, body: toJSON(data) });
    return new Token(this.#options, { ...this.data, ...data });
  }
}
