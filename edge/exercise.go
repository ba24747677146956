package edge

import (
	"context"
	"fmt"
	"strings"

	"github.com/crmgate/crmgate"
)

// Exercises are what Exercise can do, in an order in which all can be done.
var Exercises = []string{"authValidation", "refreshUserInfo", "getLicenseStatus", "refresh", "unAuthorize"}

// Exercise does for a signed-in person what a client can ask for, named by the operation of the connector that it leads to. With
// "refresh" the access token is refreshed although it has not expired. The error says that it could not be done, and may be the CRM's.
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
