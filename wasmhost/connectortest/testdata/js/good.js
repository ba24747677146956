// A valid connector in JavaScript.
'use strict';

exports.getAuthType = () => 'oauth';

exports.getOauthInfo = async () => ({
  clientId: 'x', clientSecret: 'practice-secret', accessTokenUri: 'http://127.0.0.1:8081/oauth/token', redirectUri: '', scopes: [],
});

exports.getUserInfo = async ({ authHeader }) => {
  const answer = await fetch('http://127.0.0.1:8081/api/me', { headers: { Authorization: authHeader } });
  if (answer.status === 401) {
    return { successful: false, returnMessage: { messageType: 'warning', message: 'The CRM refused the token.', ttl: 3000 } };
  }
  if (!answer.ok) throw Object.assign(new Error('The CRM does not answer'), { status: answer.status });
  const me = await answer.json();
  if (!me?.id) throw new Error('The CRM does not say who this is');
  return {
    successful: true,
    platformUserInfo: { id: me.id + '-good', name: me.name, timezoneName: me.timezone?.name ?? '', timezoneOffset: me.timezone?.offset ?? 0, platformAdditionalInfo: {} },
    returnMessage: { messageType: 'success', message: 'Connected.', ttl: 1000 },
  };
};
