// The connector of Acme. Each exported function is an operation that crmgate calls. ABI.md of crmgate says what each of them gets and
// answers. Replace the addresses and the members of the answers with those of your CRM.

import type { GetAuthType, GetOauthInfo, GetUserInfo } from './sdk/index.js';

const base = process.env.ACME_URL || 'http://127.0.0.1:8081';

export const getAuthType: GetAuthType = () => 'oauth';

// The application at the CRM. What is missing here comes from the manifest.
export const getOauthInfo: GetOauthInfo = () => ({
  clientId: process.env.ACME_CLIENT_ID,
  clientSecret: process.env.ACME_CLIENT_SECRET,
  accessTokenUri: `${base}/oauth/token`,
});

// An error with the status of the CRM's answer: the server decides by it what to do.
const failure = (response: Response) =>
  Object.assign(new Error(`Request failed with status code ${response.status}`), { status: response.status });

interface Me {
  id?: number;
  name: string;
}

// Who has signed in?
export const getUserInfo: GetUserInfo = async ({ authHeader }) => {
  const response = await fetch(`${base}/api/me`, { headers: { Authorization: authHeader, Accept: 'application/json' } });
  if (response.status === 401) {
    return { successful: false, returnMessage: { messageType: 'warning', message: 'Acme did not accept the sign-in. Connect again.' } };
  }
  if (!response.ok) throw failure(response);
  const me = (await response.json()) as Me;
  if (!me.id) throw new Error('Acme did not say who has signed in');
  return { successful: true, platformUserInfo: { id: `${me.id}-acme`, name: me.name } };
};
