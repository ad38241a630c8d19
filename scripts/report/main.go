// Command report reads the output of `go test -json`, shows how far it is, prints what failed in full, and
// fails on a skipped test as it does on a failed one.
package main

import (
	"os"
	"time"
)

func main() {
	r := newReport(os.Stdout)
	stop := r.showProgress(30 * time.Second)
	err := r.read(os.Stdin)
	stop()
	if !r.close(err) {
		os.Exit(1)
	}
}
