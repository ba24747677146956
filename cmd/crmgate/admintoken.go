package main

import (
	"fmt"
	"io"

	"github.com/crmgate/crmgate/proxy/identity"
)

type adminTokenCommand struct {
	Name     string   `arg:"" help:"Name of the admin, for the file and the audit log."`
	Accounts []string `arg:"" help:"Accounts (rcAccountId) that the admin manages."`
	jsonFlag
}

// Help is what `crmgate admin-token --help` adds.
func (adminTokenCommand) Help() string {
	return `For admins without a RingCentral account. Put the line into the file of serve --admin-token-file. Give the token to the admin,
who sends it instead of a RingCentral access token. The token is not shown again; the file has only its hash.`
}

func (c *adminTokenCommand) Run(out io.Writer) error {
	token, line, err := identity.NewAdminToken(c.Name, c.Accounts)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, map[string]string{"token": token.Reveal(), "line": line})
	}
	_, err = fmt.Fprintf(out, "token  %s\nline   %s\n", token.Reveal(), line)
	return err
}
