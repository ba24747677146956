package edge

import (
	"context"
	"fmt"
	"strings"

	"github.com/crmgate/crmgate"
)

// Exercises are what Exercise can do. In this order, all of them can be done: unAuthorize is the last.
var Exercises = []string{"authValidation", "refreshUserInfo", "getLicenseStatus", "refresh", "unAuthorize"}

// Exercise does what a client can request for a signed-in person. what is one of Exercises, and is named after the operation that it calls.
// "refresh" refreshes the access token although it has not expired. The error may be the CRM's.
func (n *Node) Exercise(ctx context.Context, key crmgate.UserKey, what string) error {
	c := n.core
	ctx = c.hold(ctx)
	switch what {
	case "authValidation":
		_, err := c.sessions.Validate(ctx, key)
		return err
	case "refreshUserInfo":
		c.sessions.RefreshInfo(ctx, key)
		return nil
	case "getLicenseStatus":
		_, err := c.sessions.License(ctx, key)
		return err
	case "refresh":
		_, err := c.db.UpdatePerson(ctx, key, func(p *crmgate.Person) error {
			p.Grant.Expiry = c.Now()
			return nil
		})
		if err == nil {
			_, err = c.tokens.Live(ctx, key)
		}
		return err
	case "unAuthorize":
		_, err := c.sessions.Logout(ctx, key)
		return err
	}
	return fmt.Errorf("%q is not one of %s", what, strings.Join(Exercises, ", "))
}
