// The connector for HighLevel, by OAuth. The person chooses a location of their company, and the tokens are for that location only.
//
// HighLevel documents no revocation for one person. Removing the app from a location would end it for everyone there.
const axios = require('axios');

const api = 'https://services.leadconnectorhq.com';

exports.getAuthType = () => 'oauth';

exports.getOauthInfo = () => ({
  clientId: process.env.GOHIGHLEVEL_CLIENT_ID,
  clientSecret: process.env.GOHIGHLEVEL_CLIENT_SECRET,
  accessTokenUri: `${api}/oauth/token`,
  redirectUri: process.env.GOHIGHLEVEL_REDIRECT_URI,
});

// The token answer says who the person is. Their name is in the person's data.
exports.getUserInfo = async ({ authHeader, data }) => {
  const { userId, locationId, companyId } = data ?? {};
  if (!userId) throw new Error('HighLevel did not say who the person is');
  if (!locationId) return refusal('HighLevel did not name a location. Connect again, and choose the location that you work in.');
  let me;
  try {
    const headers = { Authorization: authHeader, Version: '2021-07-28' };
    me = (await axios.get(`${api}/users/${encodeURIComponent(userId)}`, { headers })).data;
  } catch (error) {
    if (![401, 403].includes(error.response?.status)) throw error;
    return refusal('HighLevel did not say who you are. Ask an administrator of your location to allow this app, then connect again.');
  }
  if (!me?.id) throw new Error('HighLevel did not say who the person is');
  return {
    successful: true,
    platformUserInfo: {
      id: `${me.id}-gohighlevel`,
      name: me.name || `${me.firstName ?? ''} ${me.lastName ?? ''}`.trim(),
      platformAdditionalInfo: { userId: me.id, email: me.email, locationId, companyId },
    },
    returnMessage: { messageType: 'success', message: 'Connected to HighLevel.', ttl: 1000 },
  };
};

function refusal(message) {
  return { successful: false, returnMessage: { messageType: 'warning', message, ttl: 5000 } };
}
