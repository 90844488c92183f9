"""What a folder of recordings seems to be, told from its files: `aura init`.

    names      parts of file names: person, activity, trial, place
    numbers    rate, unit of time, units of acceleration and angular rate, by physics
    tables     columns of tables: which are what
    bodies     skeleton, unit and up of motion capture
    draft      all of it as an `aura.yaml`, each guess with its reason

Nothing is guessed in silence: what is not sure has a reason with `unsure`, and is a warning.
"""
