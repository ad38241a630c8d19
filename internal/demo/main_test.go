package demo

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
)

// The test program is its own child, as the product is.
func TestMain(m *testing.M) {
	if IsChild() {
		slog.SetDefault(ChildLog(os.Args[2]))
		if err := Child(context.Background(), os.Args[2], os.Args[3:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
