// The connector for Google Sheets, by OAuth. The manifest asks for offline access, and for consent each time: without it, Google
// sends a refresh token at the first sign-in only.
const axios = require('axios');

exports.getAuthType = () => 'oauth';

exports.getOauthInfo = () => ({
  clientId: process.env.GOOGLESHEETS_CLIENT_ID,
  clientSecret: process.env.GOOGLESHEETS_CLIENT_SECRET,
  accessTokenUri: 'https://oauth2.googleapis.com/token',
  redirectUri: process.env.GOOGLESHEETS_REDIRECT_URI,
});

exports.getUserInfo = async ({ authHeader }) => {
  let me;
  try {
    me = (await axios.get('https://www.googleapis.com/oauth2/v3/userinfo', { headers: { Authorization: authHeader } })).data;
  } catch (error) {
    if (![401, 403].includes(error.response?.status)) throw error;
    const message = 'Google did not say who you are. Connect again, and allow access to your profile and e-mail address.';
    return { successful: false, returnMessage: { messageType: 'warning', message, ttl: 5000 } };
  }
  if (typeof me?.sub !== 'string') throw new Error('Google did not say who the person is');
  return {
    successful: true,
    platformUserInfo: {
      id: `${me.sub}-googleSheets`,
      name: me.name || me.email || '', // people may withhold the scope of either
      platformAdditionalInfo: { email: me.email, name: me.name },
    },
    returnMessage: { messageType: 'success', message: 'Connected to Google Sheets.', ttl: 1000 },
  };
};
