// The connector for Freshdesk, with API keys. Each company has its own host, COMPANY.freshdesk.com. The person enters it beside the key,
// or comes from there.
import type { AuthValidation, GetAuthType, GetBasicAuth, GetUserInfo, ReturnMessage } from '@crmgate/connector';

interface Agent {
  id: number;
  contact: { name: string; time_zone: string | null };
}

const rejected: ReturnMessage = {
  messageType: 'warning',
  message: 'Freshdesk did not accept the API key. Copy it again from your Freshdesk profile settings.',
  ttl: 5000,
};

export const getAuthType: GetAuthType = () => 'apiKey';

// Freshdesk takes the key as the user name, and ignores the password.
export const getBasicAuth: GetBasicAuth = async ({ apiKey }) => ({ basic: await crmgate.derive({ base64: `${apiKey}:X` }) });

export const getUserInfo: GetUserInfo = async ({ authHeader, hostname, additionalInfo }) => {
  const domain = freshdeskDomain(additionalInfo?.fdDomain || hostname);
  if (!domain) {
    const message = 'This is not a Freshdesk domain. Enter the address of your Freshdesk, such as mycompany.freshdesk.com.';
    return { successful: false, returnMessage: { messageType: 'warning', message, ttl: 5000 } };
  }
  const agent = await agentOf(domain, authHeader);
  if (!agent) return { successful: false, returnMessage: rejected };
  return {
    successful: true,
    platformUserInfo: {
      id: `${agent.id}-freshdesk`,
      name: agent.contact.name,
      timezoneName: agent.contact.time_zone ?? '',
      overridingHostname: domain, // where the key is valid
      platformAdditionalInfo: { fdDomain: domain },
    },
    returnMessage: { messageType: 'success', message: 'Connected to Freshdesk.', ttl: 1000 },
  };
};

export const authValidation: AuthValidation = async ({ user, authHeader }) => {
  const agent = await agentOf(user.hostname, authHeader);
  return agent ? { successful: true } : { successful: false, returnMessage: rejected };
};

/** Asks Freshdesk whose key it is. The answer is null if the key is not valid there. */
async function agentOf(domain: string, authHeader: string): Promise<Agent | null> {
  const response = await fetch(`https://${domain}/api/v2/agents/me`, { headers: { Authorization: authHeader, Accept: 'application/json' } });
  if (response.status === 401 || response.status === 403) return null;
  if (!response.ok) throw Object.assign(new Error(`Freshdesk answered with status ${response.status}`), { status: response.status });
  const agent = (await response.json()) as Agent | null;
  if (!agent?.id || !agent.contact?.name) throw new Error('Freshdesk did not say who the person is');
  return agent;
}

/** Returns the host name of a company's Freshdesk from what a person entered: a host name, a URL, or the company's name alone. */
function freshdeskDomain(entered: unknown): string | undefined {
  const host = String(entered ?? '').trim().toLowerCase().replace(/^https?:\/\//, '').replace(/[/?#].*$/, '');
  return /^([a-z0-9-]+)(\.freshdesk\.com)?$/.exec(host)?.[1]?.concat('.freshdesk.com');
}
