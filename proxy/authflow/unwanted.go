package authflow

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/token"
)

// unwanted forgets what was granted to a sign-in that is not stored, and has it revoked.
func (f *Flows) unwanted(ctx context.Context, conn connector.Connector, info connector.UserInfo, client token.Client, tokens token.Tokens) {
	f.Tokens.Discard(ctx, tokens)
	p := crmgate.Person{
		User:  crmgate.User{Key: crmgate.UserKey{Platform: conn.Manifest().Platform, ID: info.ID}, Hostname: client.Hostname, Account: client.App.Account},
		Grant: tokens.Grant(client, crmgate.Grant{}),
	}
	if err := f.DB.QueueRevocation(context.WithoutCancel(ctx), p); err != nil {
		f.Logger.WarnContext(ctx, "what was granted to a sign-in that is not stored will not be revoked", "platform", client.Platform, "err", err)
	}
	f.Revocations.Changed()
}
