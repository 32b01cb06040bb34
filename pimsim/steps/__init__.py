"""The vocabulary shared by components, engine and results: step trees and activity records."""
