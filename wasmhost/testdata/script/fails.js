// Fails is what fails.c is, in JavaScript.
'use strict';

const early = process.env.FAILS_SECRET;

// see reads what a recording keeps of the world.
async function see() {
  const dice = Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('hex');
  const before = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 3));
  return `at ${before} after ${Date.now() - before} ${dice} ${Math.random()}`;
}

function parseName(answer) {
  if (!('name' in answer.user)) throw new TypeError('no name');
}

exports.getAuthType = () => 'oauth';
exports.getOauthInfo = async () => ({});
exports.getUserInfo = async () => ({ successful: false });

exports.authValidation = async (user, authHeader) => {
  console.log(process.env.FAILS_SECRET, early);
  const input = JSON.stringify([user, authHeader]);
  console.log(input);
  const response = await fetch('https://fails.example/me', { headers: { Authorization: user.authHeader ?? authHeader } });
  const text = await response.text();
  console.log(text);
  console.log(await see());
  parseName({ user: {} });
};

exports.getLicenseStatus = async () => {
  console.log(await see());
  return 'nothing that the ABI knows';
};

exports.refreshUserInfo = async () => {
  console.log(await see());
  for (;;);
};
