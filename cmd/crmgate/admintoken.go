package main

import (
	"fmt"
	"io"

	"github.com/crmgate/crmgate/proxy/identity"
)

type adminTokenCommand struct {
	Name     string   `arg:"" help:"Whose it is; the audit log does not show it, but the file does."`
	Accounts []string `arg:"" help:"The accounts (rcAccountId) that it is good for."`
	jsonFlag
}

// Help is what `crmgate admin-token --help` adds.
func (adminTokenCommand) Help() string {
	return `For installations without RingCentral: put the line into the file of serve --admin-token-file, and give the token to the
administrator, who sends it wherever a RingCentral access token is expected. It is shown this once; the file has its hash.`
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
