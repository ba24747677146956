// The connector for NetSuite, by OAuth. Each account has its own hosts: ACCOUNT.app.netsuite.com for people, others for the API.
//
// NetSuite names the person in the callback (entity, role, company), which anyone could change, and in the access token, a JWT. So the
// connector reads the token, and therefore has no handles. The name comes from RESTlets of RingCentral's SuiteApp in the account.
import type { GetAuthType, GetOauthInfo, GetUserInfo, ReturnMessage, UnAuthorize } from '@crmgate/connector';

const axios = require('axios');

export const getAuthType: GetAuthType = () => 'oauth';

export const getOauthInfo: GetOauthInfo = ({ hostname }) => ({
  clientId: process.env.NETSUITE_CRM_CLIENT_ID,
  clientSecret: process.env.NETSUITE_CRM_CLIENT_SECRET,
  accessTokenUri: `https://${accountOf(hostname)}.suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/token`,
  redirectUri: process.env.NETSUITE_CRM_REDIRECT_URI,
});

// A call has ten seconds for its requests: the first has four of them, and the others, which are not necessary, two and a half each.
export const getUserInfo: GetUserInfo = async ({ authHeader, hostname }) => {
  const account = accountOf(hostname);
  const { role, entity, company } = claimsOf(authHeader);
  if (company.toLowerCase().replaceAll('_', '-') !== account) {
    return refusal(`You signed in to another NetSuite account, ${company}. Sign in to ${account}, or enter the address of ${company}.`);
  }
  let me;
  try {
    me = (await restlet(account, 'getcurrentuser', 'getcurrentuser', authHeader, 4000)).data;
  } catch (error: any) {
    if (error.response?.data?.error?.code === 'SSS_INVALID_SCRIPTLET_ID') {
      return refusal("RingCentral's SuiteApp is not installed in this NetSuite account. Ask your NetSuite administrator to install it.");
    }
    if (![401, 403].includes(error.response?.status)) throw error;
    return refusal('NetSuite did not say who you are. Ask your NetSuite administrator to let your role log in by OAuth 2.0 and use RESTlets.');
  }
  if (!me?.name) throw new Error('NetSuite did not say who the person is');
  const oneWorldEnabled = await isOneWorld(account, authHeader, me);
  const missing = await missingPermissions(account, authHeader, oneWorldEnabled);
  if (missing.length) return refusal(`Your NetSuite role needs these permissions: ${missing.join(', ')}. Ask your NetSuite administrator.`);
  return {
    successful: true,
    platformUserInfo: {
      id: `${entity}-${company}-netsuite`,
      name: me.name,
      platformAdditionalInfo: { email: me.email, name: me.name, subsidiaryId: me.subsidiary, oneWorldEnabled, role },
    },
    returnMessage: { messageType: 'success', message: 'Connected to NetSuite.', ttl: 1000 },
  };
};

// The endpoint takes the refresh token, and revokes its access tokens too. A status of 400 says that the token has ended before.
export const unAuthorize: UnAuthorize = async ({ user, refreshToken }) => {
  const returnMessage: ReturnMessage = { messageType: 'success', message: 'Logged out of NetSuite', ttl: 3000 };
  if (!refreshToken) return { successful: true, returnMessage };
  const client = `${process.env.NETSUITE_CRM_CLIENT_ID}:${process.env.NETSUITE_CRM_CLIENT_SECRET}`;
  try {
    await axios.post(
      `https://${accountOf(user.hostname)}.suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/revoke`,
      new URLSearchParams({ token: refreshToken }),
      { headers: { Authorization: `Basic ${Buffer.from(client).toString('base64')}` } },
    );
  } catch (error: any) {
    if (error.response?.status !== 400) throw error;
  }
  return { successful: true, returnMessage };
};

/** Returns the account in the names of its hosts, such as 1234567 or 1234567-sb1. */
function accountOf(hostname = ''): string {
  const account = /^([a-z0-9-]+)\.app\.netsuite\.com$/.exec(hostname.toLowerCase())?.[1];
  if (!account) throw new Error('Enter the address of your NetSuite account, such as 1234567.app.netsuite.com.');
  return account;
}

/** Reads who has an access token: sub is ROLE;ENTITY, and aud begins with APPLICATION;COMPANY. The server got the token from NetSuite itself. */
function claimsOf(authHeader: string): { role: string; entity: string; company: string } {
  let claims;
  try {
    claims = JSON.parse(Buffer.from(authHeader.split('.')[1], 'base64url').toString());
  } catch { /* not a JWT */ }
  const [, role, entity] = /^(-?\d+);(-?\d+)$/.exec(claims?.sub) ?? [];
  const [, company] = /^[^;,]+;(\w+)/.exec([claims?.aud].flat()[0]) ?? [];
  if (!entity || !company) throw new Error('NetSuite did not say who the person is');
  return { role, entity, company };
}

function restlet(account: string, script: string, deployment: string, authHeader: string, timeout: number, body?: object) {
  const url = `https://${account}.restlets.api.netsuite.com/app/site/hosting/restlet.nl?script=customscript_${script}&deploy=customdeploy_${deployment}`;
  const options = { headers: { Authorization: authHeader }, timeout };
  return body ? axios.post(url, body, options) : axios.get(url, options);
}

async function isOneWorld(account: string, authHeader: string, me: { subsidiary?: unknown }): Promise<boolean> {
  try {
    const { data } = await restlet(account, 'getoneworldlicense_scriptid', 'getoneworldlicense_deployid', authHeader, 2500);
    return data.oneWorldEnabled === true;
  } catch (error: any) {
    console.warn(`NetSuite did not say whether the account is OneWorld: ${error.message}`);
    return me.subsidiary !== undefined && me.subsidiary !== '';
  }
}

const permissions: Record<string, string> = {
  LIST_CONTACT: 'Lists > Contacts (Full)',
  LIST_CUSTJOB: 'Lists > Customers (Full)',
  LIST_CALL: 'Lists > Phone Calls (Full)',
  LIST_SUBSIDIARY: 'Lists > Subsidiaries (View)',
  REPO_ANALYTICS: 'Reports > SuiteAnalytics Workbook (Edit)',
  TRAN_SALESORD: 'Transactions > Sales Order (Full)',
  ADMI_LOGIN_OAUTH2: 'Setup > Log in using OAuth 2.0 Access Tokens (Full)',
  ADMI_RESTWEBSERVICES: 'Setup > REST Web Services (Full)',
};

/** Returns the permissions that the person's role lacks. If NetSuite does not say, the person may go on. */
async function missingPermissions(account: string, authHeader: string, oneWorldEnabled: boolean): Promise<string[]> {
  const required = Object.keys(permissions).filter((p) => oneWorldEnabled || p !== 'LIST_SUBSIDIARY');
  try {
    const { data } = await restlet(account, 'checkrolepermissionscriptid', 'checkrolepermissiondeployid', authHeader, 2500, { requiredPermissions: required });
    return required.filter((p) => data.permissionResults[p] === false).map((p) => permissions[p]);
  } catch (error: any) {
    console.warn(`NetSuite did not say what the role may do: ${error.message}`);
    return [];
  }
}

function refusal(message: string): { successful: false; returnMessage: ReturnMessage } {
  return { successful: false, returnMessage: { messageType: 'warning', message, ttl: 10000 } };
}
