// An assembly file lets helm.go declare a function without a body.
