// The connector for Bullhorn, by OAuth.
//
// Each person belongs to a data centre with hosts of its own. Bullhorn names them for a user name (loginInfo). The access token lives for
// ten minutes, and is good for one thing: to open a session at the data centre. Everything else takes the session's BhRestToken.
const axios = require('axios');

exports.getAuthType = () => 'oauth';

// App Connect's clients ask loginInfo themselves and name the token endpoint. For a stored grant the server does. Otherwise the person
// has entered a user name.
exports.getOauthInfo = async ({ tokenUrl, username }) => {
  const application = {
    clientId: process.env.BULLHORN_CLIENT_ID,
    clientSecret: process.env.BULLHORN_CLIENT_SECRET,
    accessTokenUri: tokenUrl || 'https://auth.bullhornstaffing.com/oauth/token',
    redirectUri: process.env.BULLHORN_REDIRECT_URI,
  };
  if (tokenUrl || !username) return application;
  const { oauthUrl } = await loginInfo(username);
  if (!oauthUrl) return { ...application, failMessage: 'Bullhorn does not know this user name. Check it and try again.' };
  return { ...application, authorizationUri: `${oauthUrl}/authorize`, accessTokenUri: `${oauthUrl}/token` };
};

// The session says who the person is: anyone could send another user name.
exports.getUserInfo = async ({ authHeader, tokenUrl, apiUrl, username }) => {
  const loginUrl = apiUrl || (username && (await loginInfo(username)).restUrl) || 'https://rest.bullhornstaffing.com/rest-services';
  let session;
  let me;
  try {
    session = await openSession(loginUrl, tokenOf(authHeader));
    const { userId } = await get(session, 'settings/userId');
    me = (await get(session, `entity/CorporateUser/${encodeURIComponent(userId)}`, { fields: 'id,name,timeZoneOffsetEST,masterUserID' })).data;
  } catch (error) {
    if (![401, 403].includes(error.response?.status)) throw error;
    const message = 'Bullhorn did not say who you are. Ask your Bullhorn administrator whether you may use its REST API, then connect again.';
    return { successful: false, returnMessage: { messageType: 'warning', message, ttl: 5000 } };
  }
  if (!me?.masterUserID) throw new Error('Bullhorn did not say who the person is');
  return {
    successful: true,
    platformUserInfo: {
      id: `${me.masterUserID}-bullhorn`,
      name: me.name,
      timezoneOffset: me.timeZoneOffsetEST - 5 * 60, // in minutes: Bullhorn counts from Eastern Standard Time
      platformAdditionalInfo: { id: me.id, tokenUrl, loginUrl, ...session },
    },
    returnMessage: { messageType: 'success', message: 'Connected to Bullhorn.', ttl: 1000 },
  };
};

// A refresh token works once. So its successor is kept even if no session can be opened: authValidation opens one later.
exports.checkAndRefreshAccessToken = async ({ user, oauthInfo, refreshToken }) => {
  const { data } = await axios.post(oauthInfo.accessTokenUri, null, {
    params: {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
      client_id: process.env.BULLHORN_CLIENT_ID,
      client_secret: process.env.BULLHORN_CLIENT_SECRET,
    },
  });
  if (!data.access_token) throw new Error('Bullhorn did not issue a token');
  const refreshed = { accessToken: data.access_token, refreshToken: data.refresh_token, expiresIn: data.expires_in };
  try {
    refreshed.user = { platformAdditionalInfo: await openSession(user.platformAdditionalInfo.loginUrl, data.access_token) };
  } catch (error) {
    console.warn(`Bullhorn did not open a session: ${error.message}`);
  }
  return refreshed;
};

// A 401 means that the session has ended, and not the access token. With the token, another is opened. If Bullhorn refuses that too, the
// server refreshes the token and calls again.
exports.authValidation = async ({ user, authHeader }) => {
  const info = user.platformAdditionalInfo;
  try {
    const { sessionExpires } = await get(info, 'ping');
    if (!sessionExpires) throw new Error('The answer of Bullhorn is not the one that was expected');
    if (sessionExpires > Date.now()) return { successful: true };
  } catch (error) {
    if (error.response?.status !== 401) throw error;
  }
  try {
    const session = await openSession(info.loginUrl, tokenOf(authHeader));
    return { successful: true, user: { platformAdditionalInfo: session } };
  } catch (error) {
    if (error.response?.status !== 401) throw error;
    const message = 'Your Bullhorn session has expired. Connect again.';
    return { successful: false, returnMessage: { messageType: 'warning', message, ttl: 3000 } };
  }
};

const tokenOf = (authHeader) => authHeader.split(' ')[1];

// loginInfo returns the addresses of a user name's data centre, or nothing if Bullhorn does not know it.
async function loginInfo(username) {
  try {
    return (await axios.get('https://rest.bullhornstaffing.com/rest-services/loginInfo', { params: { username } })).data;
  } catch (error) {
    if (![400, 404].includes(error.response?.status)) throw error;
    return {};
  }
}

// openSession exchanges an access token for a session: its token and the address of the organisation's API, which ends with a slash.
async function openSession(loginUrl, accessToken) {
  const { data } = await axios.post(`${loginUrl}/login`, null, { params: { version: '2.0', access_token: accessToken } });
  if (!data.BhRestToken || !data.restUrl) throw new Error('Bullhorn did not open a session');
  return { bhRestToken: data.BhRestToken, restUrl: data.restUrl };
}

async function get({ restUrl, bhRestToken }, path, params) {
  return (await axios.get(`${restUrl}${path}`, { params, headers: { BhRestToken: bhRestToken } })).data;
}
