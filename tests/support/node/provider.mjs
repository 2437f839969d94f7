// A certified OpenID Connect provider on loopback. Arguments: port (0: any), redirect URI of the portal. Prints "ready <issuer>".
// Whoever types a login becomes <login>@example.com; "unverified" has an address that nobody has verified, "stranger" one of another domain.
import http from 'node:http';
import { Provider } from 'oidc-provider';

const [, , port, redirectUri] = process.argv;
const server = http.createServer().listen(Number(port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'portal', client_secret: 'portal-secret', redirect_uris: [redirectUri], response_types: ['code'], grant_types: ['authorization_code'] }],
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    async findAccount(ctx, login) {
      const domain = login === 'stranger' ? 'elsewhere.example' : 'example.com';
      return { accountId: login, async claims() { return { sub: `id-of-${login}`, email: `${login}@${domain}`, email_verified: login !== 'unverified', name: login }; } };
    },
    cookies: { keys: ['for tests alone'] },
    ttl: { AccessToken: 60, Session: 3600, Grant: 3600, Interaction: 600, IdToken: 3600 },
  });
  server.on('request', provider.callback());
  console.log('ready', issuer);
});
