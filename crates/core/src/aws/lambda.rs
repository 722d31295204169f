//! Lambda: does a function exist, how is it configured, and may Secrets Manager invoke it.

use std::collections::BTreeMap;

use aws_sdk_lambda::types::TracingMode;

use super::{Aws, AwsError, Class};
use crate::model::{FunctionFacts, Invoker, Reading, RotationFunction, invokers};

/// Whether there is a function of this ARN or name. Its configuration, which may hold secrets, is dropped unseen.
pub async fn exists(aws: &Aws, function: &str) -> Result<bool, AwsError> {
    let answer = aws.lambda().get_function_configuration().function_name(function).send().await;
    match answer.map_err(|error| AwsError::new("lambda:GetFunctionConfiguration", error)) {
        Ok(_) => Ok(true),
        Err(error) if error.class == Class::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A function's configuration; `None` if there is no such function. The values of its variables are dropped at once.
pub async fn function(aws: &Aws, name: &str) -> Result<Option<FunctionFacts>, AwsError> {
    let answer = aws.lambda().get_function_configuration().function_name(name).send().await;
    let answer = match answer.map_err(|error| AwsError::new("lambda:GetFunctionConfiguration", error)) {
        Ok(answer) => answer,
        Err(error) if error.class == Class::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (variables, error) = answer.environment.map(|all| (all.variables, all.error)).unwrap_or_default();
    let mut variables: Vec<String> = variables.unwrap_or_default().into_keys().collect();
    variables.sort_unstable();
    Ok(Some(FunctionFacts {
        arn: answer.function_arn.unwrap_or_default(),
        runtime: answer.runtime.map(|runtime| runtime.as_str().to_owned()),
        role: answer.role,
        kms_key: answer.kms_key_arn.filter(|key| !key.is_empty()),
        traced: answer.tracing_config.and_then(|tracing| tracing.mode) == Some(TracingMode::Active),
        in_vpc: answer.vpc_config.and_then(|vpc| vpc.vpc_id).is_some_and(|id| !id.is_empty()),
        state: answer.state.map(|state| state.as_str().to_owned()),
        variables,
        // The code alone: nobody promises what is in the message.
        variables_error: error.map(|error| error.error_code.unwrap_or_else(|| "unknown error".to_owned())),
    }))
}

/// The names of all functions of the Region, by the ARN of their role. All else that Lambda tells, the values of
/// variables among it, is dropped at once.
pub async fn by_role(aws: &Aws) -> Result<BTreeMap<String, Vec<String>>, AwsError> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut marker = None;
    loop {
        let page = aws
            .lambda()
            .list_functions()
            .set_marker(marker)
            .send()
            .await
            .map_err(|error| AwsError::new("lambda:ListFunctions", error))?;
        for function in page.functions.unwrap_or_default() {
            if let (Some(role), Some(name)) = (function.role, function.function_name) {
                all.entry(role).or_default().push(name);
            }
        }
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            all.values_mut().for_each(|names| names.sort_unstable());
            return Ok(all);
        }
    }
}

/// A rotation function, as far as rotation depends on it. Of its configuration, which may hold secrets, only the state and
/// the role are looked at.
///
/// # Errors
/// Lambda denies a look at a function of another account, whether or not it is there. A policy that cannot be read is a gap
/// inside what is answered.
pub async fn rotation_function(aws: &Aws, arn: &str) -> Result<RotationFunction, AwsError> {
    let answer = aws.lambda().get_function_configuration().function_name(arn).send().await;
    let (state, role) = match answer.map_err(|error| AwsError::new("lambda:GetFunctionConfiguration", error)) {
        Ok(found) => (found.state.map(|state| state.as_str().to_owned()), found.role),
        Err(error) if error.class == Class::NotFound => return Ok(RotationFunction::Missing),
        Err(error) => return Err(error),
    };
    let invocable = invocable(aws, arn).await;
    Ok(RotationFunction::There { state, role, invocable })
}

/// For which secrets a function's resource policy lets Secrets Manager invoke it.
pub async fn invocable(aws: &Aws, arn: &str) -> Reading<Vec<Invoker>> {
    let policy = aws.lambda().get_policy().function_name(arn).send().await;
    match policy.map_err(|error| AwsError::new("lambda:GetPolicy", error)) {
        Ok(policy) => invokers(policy.policy.as_deref().unwrap_or_default(), arn),
        // The function was there a moment ago: it has no policy.
        Err(error) if error.class == Class::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.gap(arn)),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod rotation_tests {
    use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
    use aws_sdk_lambda::operation::get_policy::GetPolicyOutput;
    use aws_sdk_lambda::types::State;
    use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_types::body::SdkBody;

    use super::*;
    use crate::aws::mocked::aws;
    use crate::model::{GapReason, Invoker};

    const ARN: &str = "arn:aws:lambda:ap-northeast-1:123456789012:function:rot";

    fn error(code: &'static str, status: u16) -> HttpResponse {
        let mut reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(r#"{"message":"no"}"#));
        reply.headers_mut().insert("x-amzn-errortype", code);
        reply
    }

    fn active() -> Rule {
        mock!(aws_sdk_lambda::Client::get_function_configuration)
            .then_output(|| GetFunctionConfigurationOutput::builder().state(State::Active).role("arn:role").build())
    }

    async fn asked(configuration: Rule, policy: Rule) -> Result<RotationFunction, AwsError> {
        let client = mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&configuration, &policy]);
        rotation_function(&aws().with_lambda(client), ARN).await
    }

    fn policy(text: Option<&'static str>) -> Rule {
        mock!(aws_sdk_lambda::Client::get_policy)
            .then_output(move || GetPolicyOutput::builder().set_policy(text.map(str::to_owned)).build())
    }

    fn refused_policy(code: &'static str, status: u16) -> Rule {
        mock!(aws_sdk_lambda::Client::get_policy).then_http_response(move || error(code, status))
    }

    #[tokio::test]
    async fn its_policy_says_who_may_invoke_it() {
        let open = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction"}}"#;
        for (rule, want) in [
            (policy(Some(open)), Ok(vec![Invoker::default()])),
            (policy(Some("{}")), Ok(vec![])),
            (refused_policy("ResourceNotFoundException", 404), Ok(vec![])),
            (refused_policy("AccessDeniedException", 403), Err(GapReason::Denied)),
            (refused_policy("TooManyRequestsException", 429), Err(GapReason::Throttled)),
            (refused_policy("ServiceException", 500), Err(GapReason::Unavailable)),
            // Half an answer.
            (policy(Some(r#"{"Statement":[{"Eff"#)), Err(GapReason::Malformed)),
            (policy(None), Err(GapReason::Malformed)),
        ] {
            let RotationFunction::There { state, role, invocable } = asked(active(), rule).await.unwrap() else {
                panic!()
            };
            assert_eq!((state.as_deref(), role.as_deref()), (Some("Active"), Some("arn:role")));
            assert_eq!(invocable.map_err(|gap| gap.reason), want);
        }
    }

    #[tokio::test]
    async fn only_not_found_means_missing() {
        let refused = |code: &'static str, status: u16| {
            mock!(aws_sdk_lambda::Client::get_function_configuration).then_http_response(move || error(code, status))
        };
        let gone = asked(refused("ResourceNotFoundException", 404), policy(None)).await.unwrap();
        assert_eq!(gone, RotationFunction::Missing);
        for (code, status, class) in [
            // So answers a function of another account.
            ("AccessDeniedException", 403, Class::Denied),
            ("TooManyRequestsException", 429, Class::Throttled),
            ("ServiceException", 503, Class::Unavailable),
        ] {
            assert_eq!(asked(refused(code, status), policy(None)).await.unwrap_err().class, class, "{code}");
        }
    }
}
