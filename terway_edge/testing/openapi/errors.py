"""What the service refuses, as it says so: a code, a message, an HTTP status."""

from __future__ import annotations


class ApiError(Exception):
    """One refusal; `parameter` names the parameter that is to blame, if one is."""

    def __init__(self, code: str, message: str, status: int = 400, *, parameter: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.parameter = parameter


def missing(parameter: str) -> ApiError:
    return ApiError("MissingParameter", f"the parameter {parameter} is mandatory and missing", parameter=parameter)


def invalid(parameter: str, why: str) -> ApiError:
    return ApiError("InvalidParameter", f"the parameter {parameter} is not valid: {why}", parameter=parameter)


def conflicting(parameters: tuple[str, ...]) -> ApiError:
    """More than one of parameters that exclude each other was given."""
    names = ", ".join(parameters)
    return ApiError("InvalidParameter.Conflict", f"only one of {names} may be given", parameter=parameters[0])


def absent(code: str, identifier: str, status: int = 404) -> ApiError:
    """There is no such resource in the region asked; ENS says so with status 400."""
    return ApiError(code, f"the specified resource {identifier} does not exist", status)
