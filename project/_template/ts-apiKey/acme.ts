// The connector of Acme. Each exported function is an operation that crmgate calls. ABI.md of crmgate says what each of them gets and
// answers. Replace the addresses and the members of the answers with those of your CRM.

import type { GetAuthType, GetBasicAuth, GetUserInfo } from './sdk/index.js';

const base = process.env.ACME_URL || 'http://127.0.0.1:8081';

export const getAuthType: GetAuthType = () => 'apiKey';

// How the key is sent: here as the user name of Basic, without a password. authHeader is what this makes of it.
export const getBasicAuth: GetBasicAuth = ({ apiKey }) => Buffer.from(`${apiKey}:`).toString('base64');

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
    return { successful: false, returnMessage: { messageType: 'warning', message: 'Acme did not accept the API key. Check it, and try again.' } };
  }
  if (!response.ok) throw failure(response);
  const me = (await response.json()) as Me;
  if (!me.id) throw new Error('Acme did not say who has signed in');
  return { successful: true, platformUserInfo: { id: `${me.id}-acme`, name: me.name } };
};
