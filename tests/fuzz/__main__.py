from tests.fuzz import main

main()
