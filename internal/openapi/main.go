// Command openapi writes docs/openapi.json, the description of HTTP for programs, as package server makes it.
package main

import (
	"fmt"
	"os"

	"github.com/editlock/editlock/server"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: openapi FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], server.OpenAPI(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}
