// The connector of every platform that is its manifest alone (ABI.md, Connectors without code). It has no state and knows no CRM: with each
// call it gets the data of the call's platform, which package manifest has read from the crmgate object, beside the configuration.
const data = () => process.env.crmgate;

exports.getAuthType = () => data()?.authType ?? 'oauth';

exports.getOauthInfo = ({ hostname, tokenUrl }) => {
  const { prefix, tokenUrl: template } = data();
  const set = (name) => process.env[prefix + name];
  return {
    clientId: set('CLIENT_ID'),
    clientSecret: set('CLIENT_SECRET'),
    accessTokenUri: set('ACCESS_TOKEN_URI') ?? endpoint(template, tokenUrl, hostname),
    redirectUri: set('REDIRECT_URI'),
  };
};

/** A stored grant keeps its token endpoint, also if the person's host is another one by now. */
function endpoint(template, stored, hostname) {
  if (!template) return stored;
  const at = (host) => textIfThere(template, { hostname: host, config: process.env });
  return stored && stored === at(functions.host(stored)) ? stored : at(hostname);
}

exports.getBasicAuth = async ({ apiKey }) => {
  const { basicAuth, authHeader } = data();
  const values = { apiKey, config: process.env };
  return authHeader ? { header: text(authHeader, values) } : { basic: await crmgate.derive({ base64: text(basicAuth, values) }) };
};

exports.getUserInfo = async (input) => {
  const { title, authType, userInfo } = data();
  const values = { ...input, accessToken: credential(input.authHeader), config: process.env };
  const answer = await send(title, userInfo, values);
  if (answer === null) {
    const what = authType === 'apiKey' ? 'the API key' : 'the sign-in';
    return { successful: false, returnMessage: warning(userInfo.message ?? `${title} did not accept ${what}. Check it, and connect again.`) };
  }
  Object.assign(values, answer);
  const person = { id: idOf(title, 'userInfo', userInfo, values) };
  for (const [name, template] of Object.entries(userInfo.person)) person[name] = textIfThere(template, values);
  const info = {};
  for (const [name, template] of Object.entries(userInfo.additionalInfo ?? {})) info[name] = valueIfThere(template, values);
  return {
    successful: true,
    platformUserInfo: { ...person, name: person.name ?? '', platformAdditionalInfo: info },
    returnMessage: { messageType: 'success', message: `Connected to ${title}.`, ttl: 1000 },
  };
};

exports.authValidation = async (input) => {
  const { title, validate } = data();
  const values = ofPerson(input);
  const answer = await send(title, validate, values);
  if (answer && idOf(title, 'validate', validate, { ...values, ...answer }) === values.id) return { successful: true };
  return { successful: false, returnMessage: warning(validate.message ?? `${title} no longer accepts this connection. Connect again.`) };
};

// A rejected credential needs no revocation.
exports.unAuthorize = async (input) => {
  const { title, revoke } = data();
  await send(title, revoke, ofPerson(input));
  return { successful: true };
};

function idOf(title, operation, { person }, values) {
  const id = textIfThere(person.id, values);
  if (!id) throw new Error(`${title} did not say who the person is: crmgate.${operation}.id found nothing in its answer`);
  return id;
}

const warning = (message) => ({ messageType: 'warning', message, ttl: 5000 });

/** The credential of an Authorization header, after its scheme. */
const credential = (header) => header?.slice(header.indexOf(' ') + 1);

const ofPerson = ({ user, authHeader, refreshToken }) => ({
  authHeader, refreshToken, accessToken: credential(authHeader), id: user.id, hostname: user.hostname,
  additionalInfo: user.platformAdditionalInfo, config: process.env,
});

/** Sends the request of an operation. The result is null if the CRM rejects the credential, else what paths find in the answer. */
async function send(title, { request, rejected }, values) {
  const headers = { accept: 'application/json' };
  for (const [name, template] of Object.entries(request.headers ?? {})) headers[name] = text(template, values);
  const body = request.body ? text(request.body, values) : undefined;
  const response = await fetch(text(request.url, values), { method: request.method, headers, body });
  if (rejected.includes(response.status)) return null;
  if (!response.ok) throw Object.assign(new Error(`${title} answered with status ${response.status}`), { status: response.status });
  const answer = { headers: Object.fromEntries(response.headers) };
  try {
    answer.body = await response.json();
  } catch { /* it is something else, in which paths find nothing */ }
  return answer;
}

// Templates. A value that is missing is an error where it is needed, and nothing where it is not.

class Missing extends Error {}

const at = (path, values) => path.reduce((value, name) => (value !== null && typeof value === 'object' && Object.hasOwn(value, name) ? value[name] : undefined), values);

const isThere = (value) => value !== undefined && value !== null && value !== '';

const functions = {
  lower: (value) => String(value).toLowerCase(),
  upper: (value) => String(value).toUpperCase(),
  trim: (value) => String(value).trim(),
  base64(value) {
    if (/\{\{\w+(:\w+)+\}\}/.test(value)) throw new Error('a template of the manifest has the base64 of a secret: use basicAuth');
    return Buffer.from(String(value)).toString('base64');
  },
  host: (value) => String(value).trim().replace(/^[a-z]+:\/\//i, '').replace(/[/?#].*$/s, '').toLowerCase(),
  join: (value, separator) => (Array.isArray(value) ? value.filter(isThere).join(separator) : value),
};

function valueOf({ path, calls }, values) {
  let value = at(path, values);
  for (const [name, argument] of calls ?? []) {
    if (name === 'default') value = isThere(value) ? value : argument;
    else if (name === 'or') value = isThere(value) ? value : at(argument.split('.'), values);
    else if (isThere(value)) value = typeof value === 'object' && name !== 'join' ? undefined : functions[name](value, argument);
  }
  if (!isThere(value)) throw new Missing(`${path.join('.')} is missing: a template of the manifest needs it`);
  return value;
}

const escapes = {
  host(value) {
    if (!/^[\w.-]+(:\d+)?$/.test(value)) throw new Error('a template of the manifest has a value in the host of a URL that is not a host: use the function host');
    return value;
  },
  url: encodeURIComponent,
  json: (value) => JSON.stringify(value).slice(1, -1),
};

function text(template, values) {
  let all = '';
  for (const part of template) {
    if (!part.path) {
      all += part.text;
      continue;
    }
    const value = valueOf(part, values);
    if (part.as === 'value') all += JSON.stringify(value);
    else if (typeof value === 'object') throw new Missing(`${part.path.join('.')} is not a text: a template of the manifest needs one`);
    else all += (escapes[part.as] ?? String)(String(value));
  }
  return all.trim();
}

/** A value of a template without text around it keeps its type. */
const value = (template, values) => (template.length === 1 && template[0].path ? valueOf(template[0], values) : text(template, values));

const ifThere = (read) => (template, values) => {
  try {
    return read(template, values);
  } catch (error) {
    if (error instanceof Missing) return undefined;
    throw error;
  }
};
const textIfThere = ifThere(text);
const valueIfThere = ifThere(value);
