// The connector for ServiceTitan, which gives access to an organisation (a tenant), and has no sign-in for people.
//
// An admin enters the tenant, its client id and its client secret, and chooses the employee that each person is. The client credentials
// are exchanged for a token of 15 minutes in each call. All requests carry the key of the operator's application, ST-App-Key.
const axios = require('axios');

exports.getAuthType = () => 'apiKey';

// The stored key is the client secret. Later calls get it back as the credential of authHeader, and send it to the token endpoint only.
exports.getBasicAuth = ({ apiKey }) => ({ header: `Secret ${apiKey}` });

exports.getManagedAuthOptions = async ({ fieldConst, accountValues }) => {
  if (fieldConst !== 'employeeId') return [];
  const tenant = await open(accountValues, accountValues.apiKey);
  const options = [];
  for (let page = 1; page <= 10; page++) {
    const { data, hasMore } = await tenant.get('employees', { page, pageSize: 500, active: 'True' });
    options.push(...data.map((employee) => ({ value: employee.id, label: employee.name })));
    if (!hasMore) break;
  }
  return options;
};

exports.getUserInfo = async ({ additionalInfo }) => {
  const { tenantId, clientId, apiKey, employeeId } = additionalInfo ?? {};
  try {
    const tenant = await open({ tenantId, clientId }, apiKey);
    const employee = await tenant.get(`employees/${encodeURIComponent(employeeId)}`);
    if (!employee?.id) throw new Error('ServiceTitan did not say who the person is');
    return {
      successful: true,
      platformUserInfo: {
        id: `${employee.id}-${tenantId}-servicetitan`,
        name: employee.name,
        platformAdditionalInfo: { tenantId, clientId, employeeId: employee.id, email: employee.email },
      },
      returnMessage: { messageType: 'success', message: 'Connected to ServiceTitan.', ttl: 1000 },
    };
  } catch (error) {
    return refusal(error);
  }
};

exports.authValidation = async ({ user, authHeader }) => {
  const { tenantId, clientId, employeeId } = user.platformAdditionalInfo;
  try {
    const tenant = await open({ tenantId, clientId }, authHeader.split(' ')[1]);
    const employee = await tenant.get(`employees/${employeeId}`);
    if (!employee?.id) throw new Error('ServiceTitan did not say who the person is');
    return { successful: true };
  } catch (error) {
    return refusal(error);
  }
};

// open exchanges a tenant's client credentials, and returns its settings API.
async function open({ tenantId, clientId }, clientSecret) {
  const appKey = process.env.SERVICETITAN_APP_KEY;
  if (!appKey) throw new Error('ServiceTitan is not available here. Ask your administrator.');
  const environment = process.env.SERVICETITAN_ENVIRONMENT === 'integration' ? '-integration' : '';
  const { data } = await axios.post(
    `https://auth${environment}.servicetitan.io/connect/token`,
    new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret }),
    { headers: { 'ST-App-Key': appKey } },
  );
  if (!data.access_token) throw new Error('ServiceTitan did not issue a token');
  return {
    async get(path, params) {
      const url = `https://api${environment}.servicetitan.io/settings/v2/tenant/${encodeURIComponent(tenantId)}/${path}`;
      return (await axios.get(url, { params, headers: { Authorization: `Bearer ${data.access_token}`, 'ST-App-Key': appKey } })).data;
    },
  };
}

// refusal is the answer if ServiceTitan does not accept the values. Other errors are thrown again.
function refusal(error) {
  const status = error.response?.status;
  const rejected = [401, 403, 404].includes(status) || error.response?.data?.error === 'invalid_client';
  if (!rejected) throw error;
  const message = status === 404
    ? 'This employee is not in ServiceTitan. Ask your administrator to choose who you are there.'
    : 'ServiceTitan did not accept the connection of your organisation. Ask your administrator to check it.';
  return { successful: false, returnMessage: { messageType: 'warning', message, ttl: 5000 } };
}
