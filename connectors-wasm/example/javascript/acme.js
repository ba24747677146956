const axios = require('axios');

exports.getAuthType = () => 'oauth';

exports.getOauthInfo = () => ({
  clientId: process.env.ACME_CLIENT_ID,
  clientSecret: process.env.ACME_CLIENT_SECRET,
  accessTokenUri: 'https://api.acme.example/oauth/token',
});

exports.getUserInfo = async ({ authHeader }) => {
  try {
    const { data: me } = await axios.get('https://api.acme.example/me', { headers: { Authorization: authHeader, Accept: 'application/json' } });
    if (!me.id) throw new Error('the CRM did not say who the person is');
    return {
      successful: true,
      platformUserInfo: {
        id: `${me.id}-acme`, name: me.name, timezoneName: me.timezone.name, timezoneOffset: me.timezone.offset,
        platformAdditionalInfo: { email: me.email },
      },
      returnMessage: { messageType: 'success', message: 'Connected to Acme.', ttl: 3000 },
    };
  } catch (error) {
    if (error.response?.status !== 401) throw error;
    return { successful: false, returnMessage: { messageType: 'warning', message: 'Acme did not accept the sign-in. Connect again.', ttl: 5000 } };
  }
};
