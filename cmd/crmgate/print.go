package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// jsonFlag is on every command whose output a program may read. It has no environment variable, because it is about one
// call and not about the installation.
type jsonFlag struct {
	JSON bool `name:"json" env:"-" help:"Print JSON."`
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// printable replaces characters by which a text from a CRM could control the terminal. A tab becomes a blank.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// printOutput writes the lines of a program's output.
func printOutput(out io.Writer, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(out, "  %s\n", printable(strings.TrimRight(line, "\r\n")))
	}
}

// printTable writes rows with aligned columns.
func printTable(out io.Writer, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
