/* eslint-disable no-param-reassign */
// A connector of a made-up CRM with OAuth, in the style of App Connect's documentation.
const axios = require('axios');
const moment = require('moment');

function getAuthType() {
    return 'oauth';
}

async function getOauthInfo({ tokenUrl, hostname }) {
    if (hostname === 'legacy.acme.example') {
        return {
            failMessage: 'This region is no longer supported.'
        };
    }
    return {
        clientId: process.env.ACME_CLIENT_ID,
        clientSecret: process.env.ACME_CLIENT_SECRET,
        accessTokenUri: tokenUrl ?? `https://${hostname}/oauth/token`,
        redirectUri: process.env.ACME_REDIRECT_URI
    };
}

function getOverridingOAuthOption({ code }) {
    return {
        query: {
            grant_type: 'authorization_code',
            code,
            client_id: process.env.ACME_CLIENT_ID,
            client_secret: process.env.ACME_CLIENT_SECRET,
            redirect_uri: process.env.ACME_REDIRECT_URI,
        },
        headers: {
            Authorization: ''
        }
    };
}

async function getUserInfo({ authHeader, hostname }) {
    try {
        const userInfoResponse = await axios.get(`https://${hostname}/api/v1/users/me`, {
            headers: {
                'Authorization': authHeader
            },
            params: {
                fields: 'id,name,time_zone'
            }
        });
        const user = userInfoResponse.data.data;
        const rateLimit = userInfoResponse.headers['x-ratelimit-remaining'];
        const platformAdditionalInfo = {
            companyId: user.company_id,
            memberSince: moment(user.created_at).utc().format('YYYY-MM-DD'),
            rateLimit
        };
        return {
            successful: true,
            platformUserInfo: {
                id: `${user.id.toString()}-acme`,
                name: user.name,
                timezoneName: user.time_zone,
                timezoneOffset: user.utc_offset,
                platformAdditionalInfo
            },
            returnMessage: {
                messageType: 'success',
                message: 'Connected to Acme.',
                ttl: 1000
            }
        };
    }
    catch (e) {
        console.error('Error getting user info', { stack: e.stack });
        return {
            successful: false,
            returnMessage: {
                messageType: 'warning',
                message: 'Could not load user information',
                details: [
                    {
                        title: 'Details',
                        items: [
                            {
                                id: '1',
                                type: 'text',
                                text: `Acme answered with status ${e.response?.status}. Please check your permissions in Acme.`
                            }
                        ]
                    }
                ],
                ttl: 5000
            }
        };
    }
}

async function authValidation({ user, authHeader }) {
    try {
        await axios.get(`https://${user.hostname}/api/v1/users/me`, { headers: { 'Authorization': authHeader } });
        return { successful: true, status: 200 };
    }
    catch (e) {
        return {
            successful: false,
            returnMessage: { messageType: 'warning', message: 'It seems like your Acme session has expired. Please re-connect.', ttl: 3000 },
            status: e.response.status
        };
    }
}

async function unAuthorize({ user }) {
    const revokeUrl = `https://${user.hostname}/oauth/revoke`;
    const revokeParams = new URLSearchParams({ token: user.accessToken });
    const basic = Buffer.from(`${process.env.ACME_CLIENT_ID}:${process.env.ACME_CLIENT_SECRET}`).toString('base64');
    await axios.post(revokeUrl, revokeParams, { headers: { 'Authorization': `Basic ${basic}` } });
    user.accessToken = '';
    user.refreshToken = '';
    await user.save();
    return {
        returnMessage: {
            messageType: 'success',
            message: 'Logged out of Acme',
            ttl: 1000
        }
    };
}

async function checkAndRefreshAccessToken(oauthApp, user, tokenLockTimeout = 20) {
    if (!user || !user.accessToken || !user.refreshToken) {
        return user;
    }
    const expiryBuffer = 2; // minutes
    if (moment(user.tokenExpiry).isAfter(moment().add(expiryBuffer, 'minutes'))) {
        return user;
    }
    const token = oauthApp.createToken(user.accessToken, user.refreshToken);
    const { accessToken, refreshToken, expires } = await token.refresh();
    user.accessToken = accessToken;
    user.refreshToken = refreshToken;
    user.tokenExpiry = expires;
    await user.save();
    return user;
}

async function createCallLog() {
    throw new Error('crmgate never calls this');
}

exports.getAuthType = getAuthType;
exports.getOauthInfo = getOauthInfo;
exports.getOverridingOAuthOption = getOverridingOAuthOption;
exports.getUserInfo = getUserInfo;
exports.authValidation = authValidation;
exports.unAuthorize = unAuthorize;
exports.checkAndRefreshAccessToken = checkAndRefreshAccessToken;
exports.createCallLog = createCallLog;
