// Command serve runs the usual edit lock on its own: open the two addresses that it prints, side by side.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/editlock/editlock/examples/usual"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "usual-")
	if err != nil {
		return err
	}
	s, err := usual.Open(filepath.Join(dir, "usual.db"), usual.Options{})
	if err != nil {
		return err
	}
	if err := s.Add(42, "The harbour at dawn", "The first boats come in before the light does."); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:8090")
	if err != nil {
		return fmt.Errorf("%w; is another copy running?", err)
	}
	fmt.Printf("The usual edit lock.\n  Ana: http://%[1]s/42?as=Ana\n  Ben: http://%[1]s/42?as=Ben\n  database: %[2]s/usual.db\n", listener.Addr(), dir)
	return http.Serve(listener, s) //nolint:gosec // no timeouts, as is usual
}
