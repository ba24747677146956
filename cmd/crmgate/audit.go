package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
)

type auditCommand struct {
	Show   auditShowCommand   `cmd:"" default:"withargs" help:"Show the audit log, the newest last."`
	Verify auditVerifyCommand `cmd:"" help:"Check that the audit log was not changed."`
}

// Help is what `crmgate audit --help` adds.
func (auditCommand) Help() string {
	return "Without a command, crmgate audit is crmgate audit show, and takes the same flags."
}

type auditShowCommand struct {
	storeFlags
	Since    moment           `env:"-" help:"Only entries since a time, such as 2026-11-25T10:00:00Z or 2026-11-25, or of a recent period, such as 90m or 7d." placeholder:"TIME"`
	Platform crmgate.Platform `env:"-" help:"Only entries of a platform, such as clio."`
	User     crmgate.UserID   `env:"-" help:"Only entries about a user id, such as 123-clio, also a deleted one."`
	jsonFlag
}

type auditVerifyCommand struct {
	storeFlags
	jsonFlag
}

func (c *auditShowCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	show := printAuditLine
	if c.JSON {
		show = func(out io.Writer, e operator.AuditEntry) error { return json.NewEncoder(out).Encode(e) }
	} else if _, err := fmt.Fprintf(out, auditColumns, "TIME", "WHAT", "HOW IT ENDED", "PLATFORM", "REQUEST", "WHO"); err != nil {
		return err
	}
	return c.client(log).Audit(ctx, c.Since.before(time.Now()), c.Platform, c.User, func(e operator.AuditEntry) error { return show(out, e) })
}

// auditColumns have fixed widths, because lines are printed as they come.
const auditColumns = "%-19s  %-18s  %-33s  %-14s  %-13s  %s\n"

func printAuditLine(out io.Writer, e operator.AuditEntry) error {
	what, ended := e.What, e.Outcome
	if e.By != "" {
		what += " " + e.By
	}
	if e.Reason != "" {
		ended += ": " + e.Reason
	}
	if counted := e.Counted(); counted != "" {
		ended += ", " + counted
	}
	_, err := fmt.Fprintf(out, auditColumns, when(e.Time), what, ended, e.Platform, e.Request, who(e))
	return err
}

// who names the user, account and admin of an entry: by id, or by a piece of the hash after a deletion.
func who(e operator.AuditEntry) string {
	var parts []string
	switch {
	case e.User != "":
		parts = append(parts, strings.TrimSpace(printable(string(e.User))+" "+printable(e.Name)))
	case e.UserHash != "":
		parts = append(parts, "#"+operator.ShortHash(e.UserHash))
	}
	switch {
	case e.Account != "":
		parts = append(parts, "account "+printable(string(e.Account)))
	case e.AccountHash != "":
		parts = append(parts, "account #"+operator.ShortHash(e.AccountHash))
	}
	if e.Admin != "" {
		parts = append(parts, "by "+printable(operator.AdminName(e.Admin)))
	}
	return strings.Join(parts, ", ")
}

func (c *auditVerifyCommand) Run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	problems := []string{}
	report, err := c.client(log).VerifyAudit(ctx, func(problem string) error {
		if c.JSON {
			problems = append(problems, problem)
			return nil
		}
		_, err := fmt.Fprintln(out, problem)
		return err
	})
	switch {
	case err != nil:
		return err
	case c.JSON:
		err = printJSON(out, struct {
			operator.AuditReport
			Found []string `json:"found"`
		}{report, problems})
	default:
		_, err = fmt.Fprintf(out, "entries: %d; batches: %d; processes: %d; unsealed entries: %d\n",
			report.Entries, report.Batches, report.Nodes, report.Unsealed)
	}
	if err == nil && report.Problems > 0 {
		err = fmt.Errorf("the audit log was changed: %d problems", report.Problems)
	}
	return err
}

// age is a duration that may be given in days: 400d.
type age time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *age) UnmarshalText(b []byte) error {
	const day = 24 * time.Hour
	s := string(b)
	if n, ok := strings.CutSuffix(s, "d"); ok {
		v, err := strconv.ParseUint(n, 10, 16)
		*a = age(time.Duration(v) * day)
		if err != nil {
			return fmt.Errorf("expected a duration such as 400d or 36h, got %q", s)
		}
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("expected a duration such as 400d or 36h, got %q", s)
	}
	*a = age(d)
	return nil
}

// moment is a time, or a period up to now.
type moment struct {
	at  time.Time
	ago age
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(b []byte) error {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, string(b), time.Local); err == nil {
			m.at = t
			return nil
		}
	}
	if m.ago.UnmarshalText(b) != nil {
		return fmt.Errorf("expected a time such as 2026-11-25T10:00:00Z or 2026-11-25, or a duration such as 90m or 7d, got %q", b)
	}
	return nil
}

// before is the start of the moment, seen from a time. It is zero if none was given.
func (m moment) before(now time.Time) time.Time {
	if m.ago > 0 {
		return now.Add(-time.Duration(m.ago))
	}
	return m.at
}
