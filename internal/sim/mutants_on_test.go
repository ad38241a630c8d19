//go:build mutants

package sim_test

import (
	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
)

func init() {
	mutate = func(name string) {
		lease.Mutate(name)
		editlock.Mutate(name)
	}
}
