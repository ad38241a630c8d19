//go:build mutants

package lease

var mutant string

// Mutate gives the rules a known bug, to see that the simulation finds it.
func Mutate(name string) { mutant = name }
