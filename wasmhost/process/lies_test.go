package process

import (
	"fmt"
	"os"
	"strings"
)

func exitWith(status int) { os.Exit(status) }

// printMuch prints until the server closes the pipe.
func printMuch() {
	for {
		if _, err := fmt.Fprint(os.Stderr, strings.Repeat("word ", 1000)); err != nil {
			os.Exit(4)
		}
	}
}
