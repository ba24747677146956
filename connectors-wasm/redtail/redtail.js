// The connector for Redtail CRM.
//
// The person's user name and password are exchanged for a user key, which does not expire. The password is not kept. Redtail's API is at
// REDTAIL_API_SERVER, such as https://smf.crm3.redtailtechnology.com/api/public/v1. REDTAIL_API_KEY is the operator's own key.
const axios = require('axios');

const rejected = {
  messageType: 'warning',
  message: 'Redtail did not accept the user name and password. Check them and try again.',
  ttl: 5000,
};

exports.getAuthType = () => 'apiKey';

// The stored key is the person's user key. Redtail has a scheme of its own for it.
exports.getBasicAuth = async ({ apiKey }) => ({ header: `Userkeyauth ${await base64(apiKey)}` });

exports.getUserInfo = async ({ additionalInfo }) => {
  const { username = '', password = '' } = additionalInfo;
  if (username.includes(':')) return { successful: false, returnMessage: rejected }; // Redtail would read the rest as the password
  let person;
  try {
    person = (await get('authentication', `Basic ${await base64(`${username}:${password}`)}`)).authenticated_user;
  } catch (error) {
    if (![401, 403].includes(error.response?.status)) throw error;
    return { successful: false, returnMessage: rejected };
  }
  const { user_key: key, ...userResponse } = person ?? {};
  if (!key) throw new Error('Redtail did not say who the person is');
  return {
    successful: true,
    platformUserInfo: {
      id: `${username}-redtail`,
      name: username,
      overridingApiKey: key,
      platformAdditionalInfo: { username, userResponse },
    },
    returnMessage: { messageType: 'success', message: 'Connected to Redtail.', ttl: 3000 },
  };
};

// The categories are a short list that every user may read. /authentication itself takes no user key.
exports.authValidation = async ({ authHeader }) => {
  try {
    const { categories } = await get('lists/categories', authHeader);
    if (!Array.isArray(categories)) throw new Error('The answer of Redtail is not the one that was expected');
    return { successful: true };
  } catch (error) {
    if (![401, 403].includes(error.response?.status)) throw error;
    const message = 'Redtail no longer accepts this connection. Connect again.';
    return { successful: false, returnMessage: { messageType: 'warning', message, ttl: 5000 } };
  }
};

// base64 returns the credential of the operator's key and a person's.
function base64(credential) {
  const key = process.env.REDTAIL_API_KEY;
  if (!key) throw new Error('Redtail is not available here. Ask your administrator.');
  return crmgate.derive({ base64: `${key}:${credential}` });
}

async function get(path, authorization) {
  return (await axios.get(`${process.env.REDTAIL_API_SERVER}/${path}`, { headers: { Authorization: authorization } })).data;
}
