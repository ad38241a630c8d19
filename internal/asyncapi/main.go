// Command asyncapi writes docs/asyncapi.json, the description of the WebSocket in the form of AsyncAPI 3.0, from the Go types of
// package wire and the tables in this folder. Tests hold it against what the server and its clients really say.
package main

import (
	"fmt"
	"os"
)

//go:generate go run . ../../docs/asyncapi.json

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: asyncapi FILE (in internal/asyncapi: it reads the vectors of wire/testdata)")
		os.Exit(2)
	}
	doc, err := generate("../../wire/testdata")
	if err == nil {
		err = os.WriteFile(os.Args[1], doc, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "asyncapi:", err)
		os.Exit(1)
	}
}
