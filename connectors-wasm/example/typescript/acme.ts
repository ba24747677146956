import type { GetAuthType, GetOauthInfo, GetUserInfo } from '@crmgate/connector';

interface Me {
  id?: number;
  name: string;
  email: string;
  timezone: { name: string; offset: number };
}

export const getAuthType: GetAuthType = () => 'oauth';

export const getOauthInfo: GetOauthInfo = () => ({
  clientId: process.env.ACME_CLIENT_ID,
  clientSecret: process.env.ACME_CLIENT_SECRET,
  accessTokenUri: 'https://api.acme.example/oauth/token',
});

export const getUserInfo: GetUserInfo = async ({ authHeader }) => {
  const response = await fetch('https://api.acme.example/me', { headers: { Authorization: authHeader, Accept: 'application/json' } });
  if (response.status === 401) {
    return { successful: false, returnMessage: { messageType: 'warning', message: 'Acme did not accept the sign-in. Connect again.', ttl: 5000 } };
  }
  if (!response.ok) throw Object.assign(new Error(`Request failed with status code ${response.status}`), { status: response.status });
  const me = (await response.json()) as Me;
  if (!me.id) throw new Error('the CRM did not say who the person is');
  return {
    successful: true,
    platformUserInfo: {
      id: `${me.id}-acme`, name: me.name, timezoneName: me.timezone.name, timezoneOffset: me.timezone.offset,
      platformAdditionalInfo: { email: me.email },
    },
    returnMessage: { messageType: 'success', message: 'Connected to Acme.', ttl: 3000 },
  };
};
