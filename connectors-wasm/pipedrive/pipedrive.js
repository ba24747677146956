// The connector for Pipedrive, by OAuth.
//
// Each company has its own host, COMPANY.pipedrive.com. The token answer names it as api_domain, and the person's data as
// company_domain. A sign-in that starts in Pipedrive's Marketplace does not know it: the client then sends "temp" as the host name.
const axios = require('axios');

exports.getAuthType = () => 'oauth';

exports.getOauthInfo = () => ({
  clientId: process.env.PIPEDRIVE_CLIENT_ID,
  clientSecret: process.env.PIPEDRIVE_CLIENT_SECRET,
  accessTokenUri: process.env.PIPEDRIVE_ACCESS_TOKEN_URI || 'https://oauth.pipedrive.com/oauth/token',
  redirectUri: process.env.PIPEDRIVE_REDIRECT_URI,
});

exports.getUserInfo = async ({ authHeader, data }) => {
  const api = data?.api_domain || 'https://api.pipedrive.com';
  let me;
  try {
    me = (await axios.get(`${api}/api/v1/users/me`, { headers: { Authorization: authHeader } })).data.data;
  } catch (error) {
    if (![401, 403].includes(error.response?.status)) throw error;
    return {
      successful: false,
      returnMessage: {
        messageType: 'warning',
        message: 'Pipedrive did not say who you are. Ask your Pipedrive administrator to allow this app, then connect again.',
        ttl: 5000,
      },
    };
  }
  if (!me?.id || !me.company_domain) throw new Error('Pipedrive did not say who the person is');
  return {
    successful: true,
    platformUserInfo: {
      id: `${me.id}-pipedrive`,
      name: me.name,
      timezoneName: me.timezone_name,
      timezoneOffset: me.timezone_offset,
      overridingHostname: `${me.company_domain}.pipedrive.com`,
      platformAdditionalInfo: {
        companyId: me.company_id,
        companyName: me.company_name,
        companyDomain: me.company_domain,
      },
    },
    returnMessage: { messageType: 'success', message: 'Connected to Pipedrive.', ttl: 1000 },
  };
};
