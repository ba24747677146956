// A connector of a made-up CRM with an API key, in the style of App Connect's documentation.
const axios = require('axios');
const moment = require('moment');
const crypto = require('crypto');

function getAuthType() {
    return 'apiKey';
}

function getBasicAuth({ apiKey }) {
    return Buffer.from(`${apiKey}:`).toString('base64');
}

async function getUserInfo({ authHeader, additionalInfo }) {
    try {
        additionalInfo.apiUrl = additionalInfo.apiUrl.split('/v3')[0];
        const signature = crypto.createHmac('sha256', process.env.KEYED_SIGNING_KEY).update(additionalInfo.username).digest('hex');
        const userInfoResponse = await axios.get(`${additionalInfo.apiUrl}/${process.env.KEYED_API_VERSION}/users/me`, {
            headers: {
                'Authorization': authHeader,
                'X-Signature': signature
            }
        });
        const id = `${userInfoResponse.data.USER_ID.toString()}-keyed`;
        const name = `${userInfoResponse.data.FIRST_NAME} ${userInfoResponse.data.LAST_NAME}`;
        const timezoneName = userInfoResponse.data.TIMEZONE_ID;
        const { password, ...kept } = additionalInfo;
        return {
            successful: true,
            platformUserInfo: {
                id,
                name,
                timezoneName,
                timezoneOffset: null,
                overridingApiKey: userInfoResponse.data.USER_KEY,
                platformAdditionalInfo: { ...kept, checkedAt: moment(0).utc().toISOString() }
            },
            returnMessage: {
                messageType: 'success',
                message: 'Connected to Keyed.',
                ttl: 1000
            }
        };
    }
    catch (e) {
        console.log(`getUserInfo: ${e.response?.status}`);
        return {
            successful: false,
            returnMessage: {
                messageType: 'warning',
                message: 'Failed to get user info.',
                ttl: 3000
            }
        };
    }
}

async function getManagedAuthOptions({ fieldConst, accountValues }) {
    const { data } = await axios.get('https://api.keyed.example/users', { params: { field: fieldConst }, auth: { username: accountValues.apiKey, password: '' } });
    return data.map(u => ({ value: u.id, label: u.name }));
}

async function unAuthorize({ user }) {
    user.accessToken = '';
    user.refreshToken = '';
    await user.save();
    return {
        returnMessage: {
            messageType: 'success',
            message: 'Logged out of Keyed',
            ttl: 1000
        }
    };
}

exports.getAuthType = getAuthType;
exports.getBasicAuth = getBasicAuth;
exports.getUserInfo = getUserInfo;
exports.getManagedAuthOptions = getManagedAuthOptions;
exports.unAuthorize = unAuthorize;
