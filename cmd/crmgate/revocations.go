package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/crmgate/crmgate/proxy/operator"
)

type waitingCommand struct {
	List waitingListCommand `cmd:"" help:"List the removed grants that are still to be revoked at the CRM."`
}

type waitingListCommand struct {
	storeFlags
	jsonFlag
}

func (c *waitingListCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	all, err := c.client(log).Revocations(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "No waiting revocations.")
		return err
	}
	rows := [][]string{{"PLATFORM", "HOST", "PERSON", "ACCOUNT", "CLIENT ID", "QUEUED", "ATTEMPTS", "NEXT"}}
	for _, v := range all {
		rows = append(rows, []string{string(v.Platform), v.Hostname, "#" + operator.ShortHash(v.UserHash), string(v.Account), v.ClientID, when(v.Queued), fmt.Sprint(v.Attempts), when(v.Next)})
	}
	return printTable(out, rows)
}
