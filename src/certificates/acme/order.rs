//! One order of one certificate (RFC 8555 s7.4).

use std::fmt::Write;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier,
    NewOrder, Order, OrderStatus, RetryPolicy,
};

use super::super::challenges::{Challenges, Proof};

/// How long an authority may take to check, and to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// Proves that a name is ours and has a certificate made for it.
///
/// # Returns
/// Its new key and its chain, in PEM.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn order(
    account: &Account,
    domain: &str,
    proof: Proof,
    replaces: Option<CertificateIdentifier<'_>>,
    challenges: &Challenges,
) -> Result<String, Error> {
    let identifiers = [Identifier::Dns(domain.to_owned())];
    let mut new = NewOrder::new(&identifiers);
    if let Some(replaces) = replaces {
        new = new.replaces(replaces);
    }
    let mut order = account.new_order(&new).await?;
    let answers = prove(&mut order, domain, proof, challenges).await?;
    let ready = order.poll_ready(&PATIENCE).await;
    drop(answers);
    match ready {
        Ok(OrderStatus::Ready) => {}
        // What it says of the order is less than what it says of the challenge.
        Err(Error::Api(problem)) => return Err(why(&mut order).await.unwrap_or(problem.into())),
        Err(error) => return Err(error),
        Ok(_) => {
            let nothing =
                || other("the order is invalid, and the authority does not say why".into());
            return Err(why(&mut order).await.unwrap_or_else(nothing));
        }
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(key + &chain)
}

/// Lets the authority check what is not proved yet.
async fn prove(
    order: &mut Order,
    domain: &str,
    proof: Proof,
    challenges: &Challenges,
) -> Result<Vec<super::super::challenges::Answer>, Error> {
    let mut answers = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            status => return Err(other(format!("the authorization is {status:?}"))),
        }
        let kind = match proof {
            Proof::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Proof::Http01 => ChallengeType::Http01,
        };
        let Some(mut challenge) = authorization.challenge(kind) else {
            return Err(other(format!("the authority does not offer {proof:?}")));
        };
        let answer = challenges.answer(
            proof,
            domain,
            &challenge.token,
            challenge.key_authorization().as_str(),
        );
        answers.push(answer.map_err(|error| Error::Other(error.into()))?);
        challenge.set_ready().await?;
    }
    Ok(answers)
}

/// What the authority says of challenges that have failed.
async fn why(order: &mut Order) -> Option<Error> {
    let mut words = String::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        for challenge in &state.challenges {
            if let Some(problem) = &challenge.error {
                let separator = if words.is_empty() { "" } else { "; " };
                let _ = write!(words, "{separator}{problem}");
            }
        }
    }
    (!words.is_empty()).then(|| other(words))
}

fn other(words: String) -> Error {
    Error::Other(words.into())
}
